package completion

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// Wish is what [Propose] is asked for.
type Wish struct {
	// FalsePositives is the share of sets that may complete too early, between 0 and
	// 1 exclusively. Required.
	FalsePositives float64
	// Lag is how much later than another an arrival may be counted, at most: for
	// events of S3 mostly seconds, and some minutes now and then. Where times are
	// those of counting, it is in them already. Defaults to 0.
	Lag time.Duration
	// Looks is the window. More looks see the end sooner after the time of quiet, and
	// cost more. Defaults to [DefaultWindow].
	Looks int
}

// Proposal is a window and a delay.
type Proposal struct {
	Window int
	Delay  time.Duration // constant
	// Gap is how long a gap between arrivals may be without being taken for the end.
	Gap time.Duration
	// Gaps is how many gaps a set has on average, and Greatest the longest of all.
	Gaps     float64
	Greatest time.Duration
	// Shape says how heavy the tail of gaps is: 0 where it falls exponentially, up
	// to 0.5, where single stalls decide everything.
	Shape float64
	// Beyond is how often a gap of Gap's length has been seen: less than ten times
	// means that Gap is drawn from the shape of the tail more than from what was seen.
	Beyond int
	// Sets is how many sets it was made from: a share of less than 1/(Sets+1) was
	// asked of too few, and may be exceeded.
	Sets int
}

// Policy returns the policy that is proposed.
func (p Proposal) Policy() Policy { return Policy{Window: p.Window, Delay: Constant(p.Delay)} }

// Detection is how long after the last arrival a set completes, on average.
func (p Proposal) Detection() time.Duration {
	return time.Duration(p.Window)*p.Delay + p.Delay/2
}

const (
	// minGaps is how few gaps say nothing.
	minGaps = 50
	// tailShare is the share of gaps, the longest, that make the tail; minTail is how
	// many there are at least.
	tailShare = 0.05
	minTail   = 20
	// maxShape bounds the shape: from 0.5 on the spread of gaps is infinite.
	maxShape = 0.5
)

// Propose proposes a window and a delay, from the times at which the arrivals of past
// sets came: those of counting, or of last modification, as a listing has them. Their
// order does not matter.
//
// A set with m gaps goes wrong if one of them is longer than the quiet that is waited
// for. If each is with probability q, independently, that happens to a share of
// 1-(1-q)^m of sets: so for a share p, q = 1-(1-p)^(1/m). The gap that is exceeded with
// probability q is found in the tail of all gaps, the longest 5%: the excesses over
// its least gap u are taken for a generalised Pareto distribution, whose shape ξ and
// scale σ follow from their mean a and variance v (ξ = (1-a²/v)/2, kept within 0
// and 0.5, and σ = a(1-ξ)), and with the tail's share z it is
// u + σ((z/q)^ξ-1)/ξ, or u + σ ln(z/q) where ξ is 0.
//
// Gaps that depend on each other, or are of several kinds, have no such tail. So the gap
// is never less than the longest one of that past set which comes at place j =
// ⌊p(n+1)⌋ by its longest gap, of n sets with gaps, and at place 1 where that is 0: a
// further set like them has a longer gap with probability j/(n+1), whatever made them.
//
// The quiet is that gap and Lag. See docs/completion.md for what it is worth.
func Propose(sets [][]time.Time, wish Wish) (Proposal, error) {
	if wish.Looks == 0 {
		wish.Looks = DefaultWindow
	}
	var errs []error
	if !(wish.FalsePositives > 0 && wish.FalsePositives < 1) {
		errs = append(errs, fmt.Errorf("FalsePositives: %v is not between 0 and 1", wish.FalsePositives))
	}
	if wish.Lag < 0 || wish.Lag > maxDelay {
		errs = append(errs, fmt.Errorf("Lag: %v is not between 0 and %v", wish.Lag, maxDelay))
	}
	if wish.Looks < 0 {
		errs = append(errs, fmt.Errorf("Looks: %d is negative", wish.Looks))
	}
	gaps := gapsOf(sets)
	if len(gaps) < minGaps {
		errs = append(errs, fmt.Errorf("%d gaps between arrivals: want at least %d", len(gaps), minGaps))
	}
	if err := errors.Join(errs...); err != nil {
		return Proposal{}, fault.Fatal(fmt.Errorf("propose a window: %w", err))
	}

	p := Proposal{Gaps: float64(len(gaps)) / float64(len(sets)), Greatest: gaps[len(gaps)-1]}
	// 1-(1-p)^(1/m), exact where p is small.
	q := -math.Expm1(math.Log1p(-wish.FalsePositives) / p.Gaps)
	t := tailOf(gaps)
	p.Shape = t.shape
	gap := t.exceeded(q)
	longest := longestGaps(sets)
	p.Sets = len(longest)
	gap = max(gap, longest[max(1, int(wish.FalsePositives*float64(p.Sets+1)))-1].Seconds())
	p.Gap = time.Duration(min(gap, maxDelay.Seconds()) * float64(time.Second))
	at, _ := slices.BinarySearch(gaps, p.Gap)
	p.Beyond = len(gaps) - at

	quiet := p.Gap + wish.Lag
	p.Window = max(1, min(wish.Looks, int(quiet/MinDelay)))
	p.Delay = max(MinDelay, (quiet+time.Duration(p.Window)-1)/time.Duration(p.Window))
	return p, nil
}

// gapsOf returns the gaps of all sets, sorted.
func gapsOf(sets [][]time.Time) []time.Duration {
	var gaps []time.Duration
	for _, times := range sets {
		times = slices.SortedFunc(slices.Values(times), time.Time.Compare)
		for i := 1; i < len(times); i++ {
			gaps = append(gaps, times[i].Sub(times[i-1]))
		}
	}
	slices.Sort(gaps)
	return gaps
}

// longestGaps returns the longest gap of each set that has one, the longest first.
func longestGaps(sets [][]time.Time) []time.Duration {
	var longest []time.Duration
	for _, times := range sets {
		if gaps := gapsOf([][]time.Time{times}); len(gaps) > 0 {
			longest = append(longest, gaps[len(gaps)-1])
		}
	}
	slices.Sort(longest)
	slices.Reverse(longest)
	return longest
}

// tail is the generalised Pareto distribution of the longest gaps, in seconds.
type tail struct {
	from  float64 // u
	share float64 // z
	shape float64 // ξ
	scale float64 // σ
}

// tailOf fits the tail of sorted gaps by the moments of their excesses.
func tailOf(gaps []time.Duration) tail {
	n := max(minTail, int(tailShare*float64(len(gaps))))
	longest := gaps[len(gaps)-n:]
	t := tail{from: longest[0].Seconds(), share: float64(n) / float64(len(gaps))}
	var mean, variance float64
	for _, g := range longest {
		mean += (g.Seconds() - t.from) / float64(n)
	}
	for _, g := range longest {
		d := g.Seconds() - t.from - mean
		variance += d * d / float64(n-1)
	}
	if variance > 0 {
		t.shape = min(maxShape, max(0, (1-mean*mean/variance)/2))
	}
	t.scale = mean * (1 - t.shape)
	return t
}

// exceeded returns the length that a gap exceeds with probability q.
func (t tail) exceeded(q float64) float64 {
	r := min(max(1, t.share/q), math.MaxFloat64) // q may be too small to be told from 0
	if t.shape < 1e-3 {
		return t.from + t.scale*math.Log(r)
	}
	return t.from + t.scale*(math.Pow(r, t.shape)-1)/t.shape
}
