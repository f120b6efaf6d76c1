package streampoll

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

var (
	// ErrGap is wrapped by what OnError is told when changes may be lost that nobody
	// has settled: DynamoDB has them no more.
	ErrGap = errors.New("changes may be lost")
	// ErrEnded is wrapped by what Run returns when the stream was disabled and all that
	// was in it is settled: nothing will ever come.
	ErrEnded = errors.New("the stream is disabled, and all of it is settled")
)

// Causes of the end of the context of a handler.
var (
	errDraining = errors.New("the consumer is stopping")
	errExpiring = errors.New("the claim of the shard could not be extended")
)

// What DynamoDB answers, as [dynamofault.Code] has it.
const (
	codeExpired   = "ExpiredIterator"
	codeTrimmed   = "TrimmedDataAccess"
	codeNotFound  = "ResourceNotFound"
	codeUnwanted  = "Validation"
	codeNotParsed = "Serialization"
)

// called wraps and classifies the error of a request on a shard. Nothing about a
// shard is fatal but what is about the whole stream: whether that is there is for
// DescribeStream to say, and an iterator that is refused is made anew.
func called(ctx context.Context, op string, err error) error {
	wrapped := dynamofault.Call(ctx, op, err)
	switch dynamofault.Code(err) {
	case codeNotFound, codeTrimmed, codeExpired, codeUnwanted:
		return fault.Interrupted(wrapped)
	}
	return wrapped
}

// isFatal reports whether an error ends the run.
func isFatal(err error) bool { return fault.Is(err, fault.ClassFatal) }

// gapError is the error of changes of a shard that may be lost: those after a sequence
// number, or all where it is empty.
func gapError(shard, after, why string) error {
	where := "from its beginning"
	if after != "" {
		where = "after " + after
	}
	return fmt.Errorf("streampoll: shard %s: %s: %w: %s", shard, why, ErrGap, where)
}

const (
	// answerTime is how long a request may take.
	answerTime = 10 * time.Second
	// firstPause and maxPause are the shortest and longest pause before a request that
	// failed is repeated.
	firstPause = 500 * time.Millisecond
	maxPause   = 20 * time.Second
)

// backoff is the pauses between requests that fail. The zero value is ready to use.
type backoff struct{ last time.Duration }

// wait waits for longer each time, and reports false when ctx ends.
func (b *backoff) wait(ctx context.Context) bool {
	b.last = min(max(2*b.last, firstPause), maxPause)
	return sleep.For(ctx, b.last/2+rand.N(b.last/2)) == nil
}
