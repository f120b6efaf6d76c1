package completion_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
)

var update = flag.Bool("update", false, "write the table and the plot of docs/completion.md")

// A producer makes the gaps between the arrivals of one set.
type producer struct {
	name, says string
	gap        func(rng *rand.Rand, i int) time.Duration
}

const (
	setArrivals = 100
	simLag      = 5 * time.Second // events are counted up to so much later
)

var producers = []producer{
	{"steady", "gaps of 1 s on average, exponential", func(rng *rand.Rand, _ int) time.Duration { return expGap(rng, time.Second) }},
	{"bursty", "ten at a time, 4 to 16 s between bursts", func(rng *rand.Rand, i int) time.Duration {
		if i%10 == 0 {
			return 4*time.Second + upTo(rng, 12*time.Second)
		}
		return expGap(rng, 50*time.Millisecond)
	}},
	{"stalling", "as steady, but one gap in 50 is a stall of 5 s or more (Pareto, exponent 2.5)", func(rng *rand.Rand, _ int) time.Duration {
		if rng.IntN(50) == 0 {
			return time.Duration(float64(5*time.Second) * math.Pow(1-rng.Float64(), -1/2.5))
		}
		return expGap(rng, time.Second)
	}},
}

func expGap(rng *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(rng.ExpFloat64() * float64(mean))
}

// produce returns when the arrivals of one set happen, and when each is counted.
func (p producer) produce(rng *rand.Rand) (happened, counted []time.Duration) {
	var at time.Duration
	for i := range setArrivals {
		if i > 0 {
			at += p.gap(rng, i)
		}
		happened = append(happened, at)
		counted = append(counted, at+upTo(rng, simLag))
	}
	slices.Sort(counted)
	return happened, counted
}

// verdict is what came of many sets.
type verdict struct {
	quiet    time.Duration
	sets     int
	wrong    int // completed before the last arrival was counted
	detected time.Duration
	looks    int
}

func (v verdict) falsePositives() float64 { return float64(v.wrong) / float64(v.sets) }
func (v verdict) perSet() float64         { return float64(v.looks) / float64(v.sets) }

// detection is how long after the last arrival of a set it was complete, on average of
// those that were not too early.
func (v verdict) detection() time.Duration {
	return v.detected / time.Duration(max(1, v.sets-v.wrong))
}

// judge has a real observer look at sets of a producer, in fake time.
func judge(t *testing.T, p producer, policy completion.Policy, sets int, seed uint64) verdict {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	v := verdict{quiet: policy.Quiet(), sets: sets}
	for range sets {
		store := memory.New()
		counted := int64(-1)
		observer, err := completion.New(completion.Config{
			Store: store, Policy: policy,
			Complete: func(_ context.Context, c completion.Completion) error { counted = c.Count.Objects; return nil },
		})
		require.NoError(t, err)
		happened, arrivals := p.produce(rng)
		start, n := time.Now(), 0
		time.Sleep(upTo(rng, 10*time.Second)) // looks begin at any time
		for st := (completion.State{Set: set}); counted < 0; {
			first := n
			for n < len(arrivals) && arrivals[n] <= time.Since(start) {
				n++
			}
			var some []completion.Arrival
			for i := first; i < n; i++ {
				some = append(some, completion.Object(strconv.Itoa(i), 0))
			}
			_, err := store.Arrive(t.Context(), set, some)
			require.NoError(t, err)
			step, err := observer.Look(t.Context(), st)
			require.NoError(t, err)
			v.looks++
			if st = step.State; !step.Over {
				time.Sleep(step.Wait)
			}
		}
		if counted < setArrivals {
			v.wrong++
		} else {
			v.detected += time.Since(start) - happened[len(happened)-1]
		}
	}
	return v
}

// past returns when the arrivals of past sets happened, as a listing has it.
func past(p producer, sets int, seed uint64) [][]time.Time {
	rng := rand.New(rand.NewPCG(seed, 4))
	zero := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	all := make([][]time.Time, sets)
	for i := range all {
		happened, _ := p.produce(rng)
		for _, at := range happened {
			all[i] = append(all[i], zero.Add(at))
		}
	}
	return all
}

// quiets are those that are swept through.
var quiets = []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second}

func constant(quiet time.Duration) completion.Policy {
	return completion.Policy{Window: 5, Delay: completion.Constant(quiet / 5)}
}

// What Propose proposes keeps to the share of false positives that was wished for, within
// what the estimate of a tail can be off by, and does not wait for longer than ten times
// what the sweep shows is enough.
func TestPropose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, p := range producers {
			for _, wish := range []float64{0.1, 0.01} {
				proposal, err := completion.Propose(past(p, 100, 99), completion.Wish{FalsePositives: wish, Lag: simLag})
				require.NoError(t, err)
				v := judge(t, p, proposal.Policy(), some(150), 11)
				assert.LessOrEqual(t, v.falsePositives(), wish+0.07, "%s: %+v", p.name, proposal)
				assert.Less(t, v.detection(), 3*time.Minute, "%s: %+v", p.name, proposal)
				assert.GreaterOrEqual(t, v.quiet, proposal.Gap+simLag)
			}
		}
	})
}

// odd are producers whose gaps are of two kinds, or depend on each other: no tail of one
// shape fits them.
var odd = []producer{
	{"resting", "one gap in 200 is a rest of ten minutes", func(rng *rand.Rand, _ int) time.Duration {
		if rng.IntN(200) == 0 {
			return 10*time.Minute + upTo(rng, time.Second)
		}
		return expGap(rng, time.Second)
	}},
	{"two shifts", "half a minute or more between them", func(rng *rand.Rand, i int) time.Duration {
		if i == setArrivals/2 {
			return 30*time.Second + upTo(rng, time.Minute)
		}
		return expGap(rng, time.Second)
	}},
}

// On average of many proposals, each made from other past sets, no more sets go wrong than
// was wished for, whatever the producer, where the share that was wished for can be seen
// in as many sets at all.
func TestProposalsKeepTheirWord(t *testing.T) {
	const sets, futures = 110, 150
	pasts := some(10)
	for _, p := range slices.Concat(producers, odd) {
		for _, wish := range []float64{0.1, 0.01} {
			wrong := 0
			for seed := range uint64(pasts) {
				proposal, err := completion.Propose(past(p, sets, seed), completion.Wish{FalsePositives: wish, Lag: simLag})
				require.NoError(t, err)
				require.Equal(t, sets, proposal.Sets)
				if wish == 0.1 && p.name == "two shifts" {
					require.Less(t, proposal.Gap, proposal.Greatest, "a tenth of the sets may have longer gaps")
				}
				quiet := proposal.Policy().Quiet()
				rng := rand.New(rand.NewPCG(seed, 5))
				for range futures {
					if _, counted := p.produce(rng); longestGap(counted) > quiet {
						wrong++
					}
				}
			}
			assert.LessOrEqual(t, float64(wrong)/float64(pasts*futures), wish, p.name)
		}
	}
}

// longestGap is what no quiet may be shorter than.
func longestGap(counted []time.Duration) (longest time.Duration) {
	for i := range counted[1:] {
		longest = max(longest, counted[i+1]-counted[i])
	}
	return longest
}

// Wishes at the edge of what numbers can hold make no odd proposals.
func TestProposeOfOddWishes(t *testing.T) {
	even := [][]time.Time{nil, {time.Unix(7, 0)}, nil}
	for i := range 60 {
		even[0] = append(even[0], time.Unix(int64(2*i), 0))
	}
	for _, sets := range [][][]time.Time{even, past(producers[2], 10, 1)} {
		for _, share := range []float64{5e-324, 1e-300, 1e-18, math.Nextafter(1, 0)} {
			p, err := completion.Propose(sets, completion.Wish{FalsePositives: share, Lag: 365 * 24 * time.Hour, Looks: math.MaxInt})
			require.NoError(t, err)
			assert.GreaterOrEqual(t, p.Delay, completion.MinDelay)
			assert.GreaterOrEqual(t, p.Gap, time.Duration(0))
			assert.LessOrEqual(t, p.Gap, 365*24*time.Hour)
			assert.Positive(t, p.Window)
		}
	}
	for _, wish := range []completion.Wish{{FalsePositives: math.NaN()}, {FalsePositives: 0}, {FalsePositives: 1}, {FalsePositives: 0.1, Lag: math.MaxInt64}} {
		_, err := completion.Propose(even, wish)
		require.Error(t, err, "%v", wish)
	}
}

func TestProposeRefuses(t *testing.T) {
	_, err := completion.Propose([][]time.Time{{time.Now()}}, completion.Wish{Lag: -1, Looks: -1})
	for _, text := range []string{"FalsePositives: ", "Lag: ", "Looks: ", "0 gaps"} {
		require.ErrorContains(t, err, text)
	}
}

// The order of times does not matter, gaps are of one set each, and gaps that are all
// the same leave no tail.
func TestProposeOfEvenGaps(t *testing.T) {
	var sets [][]time.Time
	for i := range 10 {
		var times []time.Time
		for k := range 11 {
			times = append(times, time.Unix(int64(i*100_000+(k*7%11)*2), 0))
		}
		sets = append(sets, times)
	}
	p, err := completion.Propose(sets, completion.Wish{FalsePositives: 0.001})
	require.NoError(t, err)
	assert.Equal(t, completion.Proposal{Window: 2, Delay: time.Second, Gap: 2 * time.Second, Gaps: 10, Greatest: 2 * time.Second, Beyond: 100, Sets: 10}, p)
}

// The table and the plot of docs/completion.md are those of this code:
//
//	go test ./processor/completion -run TestDocument -update
func TestDocument(t *testing.T) {
	if testtool.Brief() && !*update {
		t.Skip("it simulates 30,000 sets: UNSPOOL_FULL=1")
	}
	const sets = 1000
	var table bytes.Buffer
	swept, proposed := make([][]verdict, len(producers)), make([][]verdict, len(producers))
	synctest.Test(t, func(t *testing.T) {
		row := func(p producer, policy string, v verdict) {
			fmt.Fprintf(&table, "| %s | %s | %.0f s | %.1f%% | %.0f s | %.0f |\n",
				p.name, policy, v.quiet.Seconds(), 100*v.falsePositives(), v.detection().Seconds(), v.perSet())
		}
		fmt.Fprintf(&table, "| producer | policy | quiet | too early | seen after | looks |\n|---|---|---|---|---|---|\n")
		for i, p := range producers {
			for _, quiet := range quiets {
				v := judge(t, p, constant(quiet), sets, 11)
				swept[i] = append(swept[i], v)
				row(p, fmt.Sprintf("5 × %v", quiet/5), v)
			}
			for _, d := range []struct {
				name  string
				delay completion.Delay
			}{{"divided", completion.Divided(12973 * time.Millisecond)}, {"exponential", completion.Exponential(25250 * time.Millisecond)}} {
				row(p, "5, "+d.name, judge(t, p, completion.Policy{Window: 5, Delay: d.delay}, sets, 11))
			}
			for _, wish := range []float64{0.1, 0.01} {
				proposal, err := completion.Propose(past(p, 100, 99), completion.Wish{FalsePositives: wish, Lag: simLag})
				require.NoError(t, err)
				v := judge(t, p, proposal.Policy(), sets, 11)
				proposed[i] = append(proposed[i], v)
				row(p, fmt.Sprintf("proposed for %.0f%%: %d × %.1f s", 100*wish, proposal.Window, proposal.Delay.Seconds()), v)
			}
		}
	})
	docs := filepath.Join("..", "..", "docs")
	document := filepath.Join(docs, "completion.md")
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	const begin, end = "<!-- simulation -->\n\n", "\n<!-- end -->"
	head, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	old, foot, ok := strings.Cut(rest, end)
	require.True(t, ok)
	plot := filepath.Join(docs, "completion", "simulation.svg")
	drawn := draw(swept, proposed)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(head+begin+table.String()+end+foot), 0o644))
		require.NoError(t, os.MkdirAll(filepath.Dir(plot), 0o755))
		require.NoError(t, os.WriteFile(plot, drawn, 0o644))
		return
	}
	assert.Equal(t, old, table.String(), "go test ./processor/completion -run TestDocument -update")
	was, err := os.ReadFile(plot)
	require.NoError(t, err)
	assert.Equal(t, string(was), string(drawn))
}

// draw plots false positives against the time it takes to see the end, both on scales
// that are logarithmic.
func draw(swept, proposed [][]verdict) []byte {
	const width, height, left, top, right, bottom = 760, 420, 80, 40, 160, 50
	colours := []string{"#1971c2", "#2f9e44", "#d9480f"}
	x := func(d time.Duration) float64 {
		return left + (width-left-right)*math.Log(d.Seconds()/5)/math.Log(300/5)
	}
	const least = 0.0005 // none of a thousand, on a scale that has no zero
	y := func(share float64) float64 {
		return top + (height-top-bottom)*math.Log(1/max(share, least))/math.Log(1/least)
	}
	var svg bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&svg, "  "+format+"\n", args...) }
	text := func(x, y float64, anchor, s string) {
		line(`<text x="%.0f" y="%.0f" text-anchor="%s">%s</text>`, x, y, anchor, s)
	}
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	line(`<rect width="%d" height="%d" fill="white"/>`, width, height)
	text(left, 20, "start", "Sets that completed too early, by the time it took to see the end of the others")
	const middle = (top + height - bottom) / 2
	line(`<text x="16" y="%d" text-anchor="middle" transform="rotate(-90 16 %d)">completed too early, of 1,000 sets</text>`, middle, middle)
	for _, share := range []float64{1, 0.1, 0.01, 0.001, least} {
		label := strconv.FormatFloat(100*share, 'g', 3, 64) + "%"
		if share == least {
			label = "none"
		}
		text(left-8, y(share)+4, "end", label)
		line(`<line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="#dee2e6"/>`, left, y(share), width-right, y(share))
	}
	for _, s := range []int{5, 10, 20, 50, 100, 200} {
		at := x(time.Duration(s) * time.Second)
		text(at, height-bottom+20, "middle", fmt.Sprintf("%d s", s))
		line(`<line x1="%.0f" y1="%d" x2="%.0f" y2="%d" stroke="#dee2e6"/>`, at, top, at, height-bottom)
	}
	for i, p := range producers {
		var points []string
		for _, v := range swept[i] {
			if v.wrong < v.sets {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(v.detection()), y(v.falsePositives())))
				line(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x(v.detection()), y(v.falsePositives()), colours[i])
			}
		}
		line(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), colours[i])
		for _, v := range proposed[i] {
			line(`<rect x="%.1f" y="%.1f" width="12" height="12" fill="none" stroke="%s" stroke-width="2"/>`,
				x(v.detection())-6, y(v.falsePositives())-6, colours[i])
		}
		at := float64(top + 20 + 22*i)
		line(`<circle cx="%d" cy="%.0f" r="4" fill="%s"/>`, width-right+16, at-4, colours[i])
		text(width-right+28, at, "start", p.name)
	}
	at := top + 20 + 22*len(producers)
	line(`<rect x="%d" y="%d" width="12" height="12" fill="none" stroke="#495057" stroke-width="2"/>`, width-right+10, at-11)
	text(width-right+28, float64(at), "start", "proposed for")
	text(width-right+28, float64(at+18), "start", "10% and for 1%")
	at += 44
	line(`<circle cx="%d" cy="%d" r="4" fill="#495057"/>`, width-right+16, at-4)
	text(width-right+28, float64(at), "start", "quiet of 5, 10, 20,")
	text(width-right+28, float64(at+18), "start", "40, 80 and 160 s")
	text((left+width-right)/2, height-8, "middle", "time from the last arrival to completion, on average")
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}
