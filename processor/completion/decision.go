package completion

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Outcome is how the wait for a set ended.
type Outcome string

// The outcomes.
const (
	// Complete means that everything is there, as far as can be known.
	Complete Outcome = "complete"
	// Incomplete means that the wait was given up.
	Incomplete Outcome = "incomplete"
)

// Reason is why it ended.
type Reason string

// The reasons.
const (
	// Quiet: nothing has arrived for long enough.
	Quiet Reason = "quiet"
	// Expected: what was expected is there.
	Expected Reason = "expected"
	// Age: the set is older than [Policy.MaxAge].
	Age Reason = "age"
)

// Decision is what closes a set. It does not change any more.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
	// Count is what had been counted. Of a decision by quiet, or by a count that was
	// expected, nothing else had when the set was closed.
	Count Count `json:"count"`
	// Expected is the count that was expected, in the unit of the policy; 0 where
	// none was known. A set that completed by being quiet may hold more.
	Expected int64 `json:"expected,omitempty"`
	// Missing is how many keys of the manifest had not arrived, at most where they
	// could not be looked up.
	Missing int `json:"missing,omitempty"`
	// Time is when it was decided, by the clock of who did.
	Time time.Time `json:"time"`
}

// Completion is what a callback is told.
type Completion struct {
	Set Set `json:"set"`
	Decision
	// Reopened is how often the set was reopened before: 0 for its first completion.
	Reopened int `json:"reopened,omitempty"`
	// Attempt counts the calls about this completion, from 1.
	Attempt int `json:"attempt"`
}

// ID is the same for each call about one completion of one set, and for no other.
func (c Completion) ID() string { return fmt.Sprintf("%s/%d", c.Set.ID(), c.Reopened) }

// Token is the ID as 32 letters and digits, for a next step that knows again what it was
// told by a short name: the execution of a state machine, the deduplication id of a queue.
func (c Completion) Token() string {
	sum := sha256.Sum256([]byte(c.ID()))
	return hex.EncodeToString(sum[:16])
}

// completion is what is told of a set that was decided.
func (s Status) completion(set Set) Completion {
	return Completion{Set: set, Decision: *s.Decision, Reopened: s.Reopened, Attempt: s.Attempts}
}
