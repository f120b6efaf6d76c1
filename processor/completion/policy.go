package completion

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/unspool-go/unspool/internal/usercode"
)

// MinDelay is the least time between two looks. Whatever a [Delay] says, no wait is
// shorter.
const MinDelay = time.Second

// maxDelay is the longest. It keeps sums of waits from overflowing.
const maxDelay = 365 * 24 * time.Hour

// What a [Policy] defaults to.
const (
	DefaultWindow = 5
	DefaultDelay  = 30 * time.Second
	DefaultMaxAge = 24 * time.Hour
)

// Policy says when a set is complete. The zero value waits until a set has been quiet
// for five looks, 30 seconds apart, and gives up after a day.
type Policy struct {
	// Window is for how many looks in a row the count has to be unchanged. Defaults
	// to [DefaultWindow].
	Window int
	// Delay is the time between looks. Defaults to Constant([DefaultDelay]).
	Delay Delay
	// Expect returns what is expected of a set, zero while that is not known: it is
	// asked at each look while the set is open. Its error counts as one of the look,
	// which is repeated. Defaults to nothing.
	Expect func(ctx context.Context, set Set) (Expectation, error)
	// Unit is what [Expectation.Count] counts. Defaults to [Objects].
	Unit Unit
	// MaxAge is how long after its first look, or after it was reopened, a set is given
	// up as incomplete: at the first look then. Defaults to [DefaultMaxAge]; negative
	// means never, which needs [Policy.Expect] or something to arrive.
	MaxAge time.Duration
}

// Expectation is what is known of a set beforehand. With both, both must be met.
type Expectation struct {
	// Count is how much is to come, in [Policy.Unit]; 0 where that is not known.
	Count int64
	// Keys is the manifest: the keys of all that is to come, as they are counted
	// ([Arrival]); empty where that is not known. It is looked up once as much has
	// arrived, and when the set is given up.
	Keys []string
}

// Delay returns the time until the next look, given for how many looks the count has
// been unchanged: 0 after one at which it had changed. Use [Constant], [Divided],
// [Exponential] or a function of your own. It is called from several goroutines at
// once, must return the same for the same number, and must not panic: [New] tries it.
type Delay func(unchanged int) time.Duration

// Constant is the same delay always.
func Constant(d time.Duration) Delay { return func(int) time.Duration { return d } }

// Divided is a delay that is divided by the number of unchanged looks.
func Divided(d time.Duration) Delay {
	return func(unchanged int) time.Duration { return d / time.Duration(max(1, unchanged)) }
}

// Exponential is a delay that falls to 1/e of itself with each unchanged look.
func Exponential(d time.Duration) Delay {
	return func(unchanged int) time.Duration {
		return time.Duration(math.Ceil(float64(min(d, maxDelay)) * math.Exp(-float64(max(0, unchanged)))))
	}
}

// Quiet is for how long the count has been unchanged, at least, when a set completes
// by being quiet: the delays of the window together.
func (p Policy) Quiet() time.Duration {
	p = p.withDefaults()
	var sum time.Duration
	for n := range p.Window {
		if sum > math.MaxInt64-maxDelay {
			return math.MaxInt64
		}
		sum += p.wait(n)
	}
	return sum
}

func (p Policy) withDefaults() Policy {
	if p.Window == 0 {
		p.Window = DefaultWindow
	}
	if p.Delay == nil {
		p.Delay = Constant(DefaultDelay)
	}
	if p.Unit == "" {
		p.Unit = Objects
	}
	if p.MaxAge == 0 {
		p.MaxAge = DefaultMaxAge
	}
	return p
}

func (p Policy) validate() error {
	var errs []error
	if p.Window < 0 {
		errs = append(errs, fmt.Errorf("Policy.Window: %d is negative", p.Window))
	}
	if p.Unit != Objects && p.Unit != Records {
		errs = append(errs, fmt.Errorf("Policy.Unit: %q is neither %q nor %q", p.Unit, Objects, Records))
	}
	err := usercode.Call(func() error {
		for n := range min(p.Window, mostTried) + 1 {
			p.Delay(n)
		}
		return nil
	})
	if err != nil {
		errs = append(errs, fmt.Errorf("Policy.Delay: %w", err))
	}
	return errors.Join(errs...)
}

// mostTried is for how many unchanged looks [New] asks for a delay, to see that it does
// not panic: more than any window has.
const mostTried = 1000

// wait is the time until the next look.
func (p Policy) wait(unchanged int) time.Duration { return bounded(p.Delay(unchanged)) }

// bounded is a wait of no less than [MinDelay], and no more than a year.
func bounded(d time.Duration) time.Duration { return min(max(MinDelay, d), maxDelay) }
