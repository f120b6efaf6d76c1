package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// format is the version of a record. A worker refuses a later one, so that it
// does not drop what it does not know.
const format = 1

// The states of a record.
const (
	stateFree       = "free"       // released
	stateProcessing = "processing" // a lease exists; it may have expired
	stateFinished   = "finished"
)

// record is what an object says of a key, as JSON. Times are Unix time in ms.
type record struct {
	Format   int    `json:"format"`
	Key      text   `json:"key"`
	State    string `json:"state"`
	Token    string `json:"token"`           // of the present or last lease
	Nonce    text   `json:"nonce,omitempty"` // of the call that was granted it, while it lasts
	Owner    string `json:"owner,omitempty"`
	Attempt  int    `json:"attempt"`
	Claimed  int64  `json:"claimed"`
	Expires  int64  `json:"expires,omitempty"` // end of the lease, or of the delay
	Finished int64  `json:"finished,omitempty"`
	Progress text   `json:"progress,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// text is any bytes, in JSON as a string where they are UTF-8.
type text string

// binary is how a text is written that is no UTF-8.
type binary struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements [json.Marshaler].
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(binary{[]byte(t)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var raw binary
		err := json.Unmarshal(b, &raw)
		*t = text(raw.Base64)
		return err
	}
	return json.Unmarshal(b, (*string)(t))
}

// maxRecordBytes is more than any record takes: key, nonce and progress in
// base64 or escaped six bytes for one, and bounded texts.
const maxRecordBytes = 64 << 10

// maxWordsBytes bounds a text for operators.
const maxWordsBytes = 1024

// words is a text for operators.
func words(s string) string {
	if len(s) > maxWordsBytes {
		s = s[:maxWordsBytes]
	}
	return strings.ToValidUTF8(s, "")
}

// name is the name of the object of a key.
func (s *Store) name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.prefix + hex.EncodeToString(sum[:])
}

// isRecord reports whether an object of that name is a key's.
func (s *Store) isRecord(name string) bool {
	return len(name) == len(s.prefix)+hex.EncodedLen(sha256.Size)
}

// parse reads the object of the given name.
func (s *Store) parse(name string, body []byte) (record, error) {
	var head struct{ Format int } // what a later version may have made of the rest is unknown
	var r record
	err := json.Unmarshal(body, &r)
	switch {
	case (err != nil || r.Format > format) && json.Unmarshal(body, &head) == nil && head.Format > format:
		return record{}, fault.Fatal(fmt.Errorf("s3: object %s has format %d, and this version reads up to %d: a later version of unspool is at work", name, head.Format, format))
	case err != nil:
		return record{}, fault.Fatal(fmt.Errorf("s3: object %s is no claim: %d bytes that are not its JSON", name, len(body)))
	case r.Format < 1, s.name(string(r.Key)) != name:
		return record{}, fault.Fatal(fmt.Errorf("s3: object %s is no claim", name))
	}
	return r, nil
}

func (r record) held() bool { return r.State == stateProcessing }

// lease is the lease of a record that is held.
func (r record) lease() claim.Lease {
	return claim.Lease{Key: string(r.Key), Token: r.Token, Attempt: r.Attempt, Progress: string(r.Progress)}
}

// blank reports whether forgetting the record at the given time loses nothing
// but the answer to a repeated release.
func (r record) blank(now int64) bool {
	return r.State == stateFree && r.Attempt == 0 && r.Progress == "" && r.Reason == "" && r.Expires <= now
}

// entry is the record as an Inspector shows it.
func (r record) entry() claim.Entry {
	e := claim.Entry{
		Key:       string(r.Key),
		Owner:     r.Owner,
		Attempt:   r.Attempt,
		Progress:  string(r.Progress),
		Reason:    r.Reason,
		ClaimedAt: unix(r.Claimed),
		Expires:   unix(r.Expires),
		DoneAt:    unix(r.Finished),
	}
	switch r.State {
	case stateProcessing:
		e.State = claim.Processing
	case stateFinished:
		e.State = claim.Finished
	}
	return e
}

// unix is a time in milliseconds, where 0 is none.
func unix(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
