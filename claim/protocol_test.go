package claim_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deviation is a move other than what happens where nothing goes wrong.
type deviation struct {
	choice int
	name   string
}

// run runs the model once: the moves of the script at the points where it
// deviates from what happens where nothing goes wrong, and from there on what
// happens then. visit is called at each point behind the script with what may
// happen there; it ends the run by returning false.
func (r rules) run(t *testing.T, script map[int]deviation, visit func(point int, state string, moves []move) bool) (wrong []string, trace []string) {
	synctest.Test(t, func(*testing.T) {
		w := &world{rules: r, store: modelStore{rules: r}, start: time.Now()}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.add("A")
		w.add("B")
		defer func() {
			for _, a := range w.actors {
				a.kill()
			}
			w.unlocked(synctest.Wait)
		}()
		last := -1
		for point := range script {
			last = max(last, point)
		}
		trouble := true
		for point := 0; ; point++ {
			w.unlocked(synctest.Wait)
			w.look()
			if len(w.wrong) > 0 {
				break
			}
			if elapsed := time.Since(w.start); trouble && elapsed >= modelHorizon {
				trouble = false
				w.settle()
				continue
			} else if elapsed > modelEnd {
				w.breaks("the key is never done")
				break
			}
			if w.store.done && !slices.ContainsFunc(w.actors, func(a *actor) bool { return a.at != "ended" && !a.paused }) {
				break
			}
			moves := w.moves(trouble)
			choice := script[point].choice
			if choice > 0 && (choice >= len(moves) || moves[choice].String() != script[point].name) {
				w.breaks("the same moves lead to the same place")
				break
			}
			if point > last && !visit(point, w.state(), moves) {
				break
			}
			if choice > 0 {
				trace = append(trace, time.Since(w.start).String()+" "+moves[choice].String())
			}
			moves[choice].do()
		}
		if len(script) == 0 && len(w.wrong) == 0 {
			for n, times := range w.accepted {
				if times > 1 {
					w.breaks("nothing went wrong, and record " + strconv.Itoa(n) + " was sent twice")
				}
			}
		}
		wrong = w.wrong
	})
	return wrong, trace
}

// explore runs the model with every set of up to trouble deviations, states
// that were met before left out. It returns the first run that breaks a
// promise, and the number of runs.
func (r rules) explore(t *testing.T, trouble int) (wrong, trace []string, runs int) {
	seen := map[string]int{} // most deviations that were left when the state was met
	type plan struct {
		script map[int]deviation
		left   int
	}
	for plans := []plan{{map[int]deviation{}, trouble}}; len(plans) > 0; {
		n := len(plans) - 1
		p := plans[n]
		plans = plans[:n]
		runs++
		wrong, trace = r.run(t, p.script, func(point int, state string, moves []move) bool {
			if left, met := seen[state]; met && left >= p.left {
				return false
			}
			seen[state] = p.left
			if p.left == 0 {
				return true
			}
			for choice := 1; choice < len(moves); choice++ {
				script := maps.Clone(p.script)
				script[point] = deviation{choice, moves[choice].String()}
				plans = append(plans, plan{script, p.left - 1})
			}
			return true
		})
		if len(wrong) > 0 {
			return wrong, trace, runs
		}
		slices.Reverse(plans[n:]) // early deviations first: they tell most
	}
	return nil, nil, runs
}

// modelTrouble is how many things go wrong in one run of the model; the
// environment variable CLAIM_MODEL_TROUBLE has another number, for a search by
// hand.
func modelTrouble(t *testing.T) int {
	if v := os.Getenv("CLAIM_MODEL_TROUBLE"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if testing.Short() || os.Getenv("UNSPOOL_FULL") == "" { // as .ci/run sets it
		return 1
	}
	return 2
}

// Whatever order messages arrive in, whichever are lost or late, whenever a
// worker is paused or killed: at most one worker holds the key, nothing is sent
// under a lease that another may have, what is done was sent, and in the end it
// is done.
func TestProtocolHoldsInEveryInterleaving(t *testing.T) {
	began := time.Now()
	wrong, trace, runs := rules{}.explore(t, modelTrouble(t))
	t.Logf("%d runs with up to %d deviations in %v", runs, modelTrouble(t), time.Since(began))
	assert.Empty(t, wrong, strings.Join(trace, "\n"))
}

// The model is worth something: with any rule of the protocol taken out it
// finds what goes wrong.
func TestProtocolNeedsEveryRule(t *testing.T) {
	for _, c := range []struct {
		name    string
		rules   rules
		want    string
		trouble int // that it takes
	}{
		{"fence", rules{noFence: true}, "two workers believe", 2},
		{"extend tells of losses", rules{lostExtends: true}, "two workers believe", 2},
		{"leases last as long as they say", rules{earlyExpiry: true}, "two workers believe", 2},
		{"heartbeat", rules{noHeartbeat: true}, "never done", 0},
		{"check before each send", rules{noCheck: true}, "under a lease that another may have", 2},
		{"completion after the answer", rules{earlyDone: true}, "a record was never sent", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			wrong, trace, runs := c.rules.explore(t, c.trouble)
			t.Logf("found in run %d: %q\n%s", runs, wrong, strings.Join(trace, "\n"))
			require.NotEmpty(t, wrong)
			assert.Contains(t, strings.Join(wrong, "\n"), c.want)
		})
	}
}
