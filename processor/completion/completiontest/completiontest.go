// Package completiontest is the conformance suite of stores that count what arrives in
// a set. A driver's test is a few lines:
//
//	func TestConformance(t *testing.T) {
//		completiontest.Run(t, func(testing.TB) completion.Store { return memory.New() },
//			completiontest.Options{})
//	}
package completiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// Options fits the suite to a store. The zero value suits any.
type Options struct {
	// Workers is how many goroutines race in the rules about races. Defaults to 8.
	Workers int
	// Arrivals is how many arrivals the rules about many have. Defaults to 1,000.
	Arrivals int
	// Another returns another client of the store that open returned last, as
	// another process has it. Defaults to that store itself.
	Another func(t testing.TB) completion.Store
	// Faulty returns another such client, and a function that loses the answers to
	// all that it sends from then on: requests take effect. Rules about that are
	// skipped where it is nil.
	Faulty func(t testing.TB) (store completion.Store, mute func(on bool))
}

// rule is one promise of [completion.Store].
type rule struct {
	name, text string
	run        func(*scene)
}

var rules = []rule{
	{"Nothing", "a set that nobody knows has the zero Record, and misses every key", nothing},
	{"CountsOnce", "a key is counted once, however often it arrives", countsOnce},
	{"CountsAll", "objects and records of all arrivals are summed up, for each set apart", countsAll},
	{"Many", "any number of arrivals is counted, some of which are known already", many},
	{"Race", "arrivals that race are counted once each", race},
	{"OddKeys", "keys and names may hold any bytes, and differ if one byte does", oddKeys},
	{"Missing", "Missing returns exactly the keys that have not arrived, in their order", missing},
	{"Swap", "Swap replaces the status of the given edition alone, and keeps all of it", swap},
	{"SwapCounted", "Swap holds only if exactly the given number of arrivals was counted", swapCounted},
	{"SwapRace", "of changes of one edition that race exactly one holds", swapRace},
	{"CloseRace", "a set closed on condition of its count had exactly that count", closeRace},
	{"Arrivals", "arrivals change neither status nor edition, and swaps no count", apart},
	{"Lost", "a call whose answer was lost is an interrupted error, and takes effect once however often it is repeated", lost},
	{"Context", "a call whose context has ended is an interrupted error, and has no effect", ended},
}

// Run checks every rule against stores that open returns. open must return an empty
// store; what it has to close it registers with t.Cleanup. A failure prints the rule
// that was broken.
func Run(t *testing.T, open func(t testing.TB) completion.Store, opts Options) {
	t.Helper()
	if opts.Workers == 0 {
		opts.Workers = 8
	}
	if opts.Arrivals == 0 {
		opts.Arrivals = 1000
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			s := &scene{TB: t, ctx: t.Context(), rule: r.text, store: open(t), opts: opts}
			s.another = s.store
			if opts.Another != nil {
				s.another = opts.Another(t)
			}
			r.run(s)
		})
	}
}

// scene is one rule being checked.
type scene struct {
	testing.TB
	ctx            context.Context
	rule           string
	store, another completion.Store
	opts           Options
}

func (s *scene) broken(format string, args ...any) {
	s.Helper()
	s.Errorf("rule broken: %s\n%s", s.rule, fmt.Sprintf(format, args...))
}

func (s *scene) must(op string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("rule broken: %s\n%s: %v", s.rule, op, err)
	}
}

func (s *scene) arrive(set completion.Set, want int, arrivals ...completion.Arrival) {
	s.Helper()
	n, err := s.store.Arrive(s.ctx, set, arrivals)
	s.must("arrive", err)
	if n != want {
		s.broken("Arrive counted %d of %d arrivals, want %d", n, len(arrivals), want)
	}
}

func (s *scene) count(set completion.Set, want completion.Count) {
	s.Helper()
	for _, store := range []completion.Store{s.store, s.another} {
		rec, err := store.Look(s.ctx, set)
		s.must("look", err)
		if rec.Count != want {
			s.broken("%s counts %+v, want %+v", set, rec.Count, want)
		}
	}
}

func (s *scene) swap(set completion.Set, want bool, c completion.Change) {
	s.Helper()
	ok, err := s.store.Swap(s.ctx, set, c)
	s.must("swap", err)
	if ok != want {
		s.broken("Swap of edition %d on condition of %d arrivals returned %t", c.Edition, c.Arrivals, ok)
	}
}

func (s *scene) status(set completion.Set, edition int64, want completion.Status) {
	s.Helper()
	rec, err := s.another.Look(s.ctx, set)
	s.must("look", err)
	have, err := rec.Status.Encode()
	s.must("encode", err)
	text, err := want.Encode()
	s.must("encode", err)
	if rec.Edition != edition || have != text {
		s.broken("edition %d holds %s\nwant edition %d with %s", rec.Edition, have, edition, text)
	}
}

// together runs f so many times at once, on both clients by turns.
func (s *scene) together(f func(i int, store completion.Store) error) {
	s.Helper()
	var wg sync.WaitGroup
	errs := make([]error, s.opts.Workers)
	for i := range s.opts.Workers {
		store := s.store
		if i%2 == 1 {
			store = s.another
		}
		wg.Go(func() { errs[i] = insist(func() error { return f(i, store) }) })
	}
	wg.Wait()
	s.must("at once", errors.Join(errs...))
}

// insist repeats what a store refuses because others are at it.
func insist(f func() error) (err error) {
	for range 100 {
		if err = f(); !fault.Is(err, fault.ClassInterrupted) {
			return err
		}
	}
	return err
}

var (
	one = completion.Set{Bucket: "b", Prefix: "out/", Run: "1"}
	two = completion.Set{Bucket: "b", Prefix: "out/", Run: "2"}
)

func nothing(s *scene) {
	s.count(one, completion.Count{})
	s.status(one, 0, completion.Status{})
	gone, err := s.store.Missing(s.ctx, one, []string{"a", "b"})
	s.must("missing", err)
	if !slices.Equal(gone, []string{"a", "b"}) {
		s.broken("Missing returned %q", gone)
	}
	gone, err = s.store.Missing(s.ctx, one, nil)
	s.must("missing", err)
	if len(gone) != 0 {
		s.broken("Missing returned %q of no keys", gone)
	}
	s.arrive(one, 0)
	s.count(one, completion.Count{})
}

func countsOnce(s *scene) {
	s.arrive(one, 1, completion.Object("a", 3))
	s.arrive(one, 0, completion.Object("a", 3))
	s.arrive(one, 1, completion.Object("b", 1), completion.Object("a", 7))
	s.count(one, completion.Count{Arrivals: 2, Objects: 2, Records: 4})
	n, err := s.another.Arrive(s.ctx, one, []completion.Arrival{completion.Object("a", 3)})
	s.must("arrive", err)
	if n != 0 {
		s.broken("another client counted it again")
	}
	s.count(one, completion.Count{Arrivals: 2, Objects: 2, Records: 4})
}

func countsAll(s *scene) {
	s.arrive(one, 3, completion.Object("a", 3), completion.Arrival{Key: "run", Objects: 500, Records: 1 << 40}, completion.Arrival{Key: "zero"})
	s.arrive(two, 1, completion.Object("a", 0))
	s.count(one, completion.Count{Arrivals: 3, Objects: 501, Records: 1<<40 + 3})
	s.count(two, completion.Count{Arrivals: 1, Objects: 1})
}

func many(s *scene) {
	var all, known []completion.Arrival
	for i := range s.opts.Arrivals {
		a := completion.Object(fmt.Sprintf("object-%06d", i), 2)
		if all = append(all, a); i%7 == 0 {
			known = append(known, a)
		}
	}
	s.arrive(one, len(known), known...)
	s.arrive(one, len(all)-len(known), all...)
	s.arrive(one, 0, all...)
	n := int64(len(all))
	s.count(one, completion.Count{Arrivals: n, Objects: n, Records: 2 * n})
}

func race(s *scene) {
	const keys = 40
	s.together(func(i int, store completion.Store) error {
		var arrivals []completion.Arrival
		for k := range keys {
			arrivals = append(arrivals, completion.Object(fmt.Sprint("k", (k+i*5)%keys), 1))
		}
		for part := range slices.Chunk(arrivals, 9) {
			if err := insist(func() error { _, err := store.Arrive(s.ctx, one, part); return err }); err != nil {
				return err
			}
		}
		return nil
	})
	s.count(one, completion.Count{Arrivals: keys, Objects: keys, Records: keys})
}

func oddKeys(s *scene) {
	keys := []string{"a", "a\x00", "a ", "A", "ä", "a\u0308", "a\xff", "*", "{a}", "a:b", "a/b", "a//b", strings.Repeat("k", completion.MaxKeyBytes)}
	sets := []completion.Set{
		{Bucket: "a/b", Prefix: "c"}, {Bucket: "a", Prefix: "b/c"}, {Prefix: "a/b/c"}, {Bucket: "{x}y", Run: "*"},
		{Bucket: "a", Run: "\x00\u00ff"}, {Prefix: strings.Repeat("p", completion.MaxSetBytes-2)},
	}
	for _, set := range sets {
		s.must("check", set.Check())
		for _, key := range keys {
			s.arrive(set, 1, completion.Object(key, 0))
		}
	}
	for _, set := range sets {
		n := int64(len(keys))
		s.count(set, completion.Count{Arrivals: n, Objects: n})
		gone, err := s.store.Missing(s.ctx, set, append(slices.Clone(keys), "none"))
		s.must("missing", err)
		if !slices.Equal(gone, []string{"none"}) {
			s.broken("Missing returned %q", gone)
		}
	}
}

func missing(s *scene) {
	var all, want []string
	var there []completion.Arrival
	for i := range 250 {
		key := fmt.Sprintf("%03d", (i*37)%250)
		if all = append(all, key); i%3 == 0 {
			want = append(want, key)
		} else {
			there = append(there, completion.Object(key, 0))
		}
	}
	s.arrive(one, len(there), there...)
	s.arrive(two, 1, completion.Object(want[0], 0))
	gone, err := s.another.Missing(s.ctx, one, all)
	s.must("missing", err)
	if !slices.Equal(gone, want) {
		s.broken("Missing returned %d keys, want %d: %q", len(gone), len(want), gone)
	}
}

// full is a status of which every part is set.
var full = completion.Status{
	Opened: time.Date(2026, 11, 22, 15, 0, 0, 123456789, time.UTC), Started: true, Reopened: 2,
	Decision: &completion.Decision{
		Outcome: completion.Incomplete, Reason: completion.Age,
		Count:    completion.Count{Arrivals: 1, Objects: 2, Records: 1 << 40},
		Expected: 9, Missing: 4, Time: time.Date(2026, 11, 22, 16, 0, 0, 1, time.UTC),
	},
	Holder: "\"h\u2028\"", Lease: 90 * time.Second, Attempts: 3, Fired: true, Told: 8,
}

func swap(s *scene) {
	s.swap(one, false, completion.Change{Edition: 1, Arrivals: completion.Any, To: full})
	s.status(one, 0, completion.Status{})
	s.swap(one, true, completion.Change{Edition: 0, Arrivals: completion.Any, To: full})
	s.status(one, 1, full)
	other := completion.Status{Holder: "x"}
	for _, edition := range []int64{0, 2} {
		s.swap(one, false, completion.Change{Edition: edition, Arrivals: completion.Any, To: other})
	}
	s.status(one, 1, full)
	s.swap(one, true, completion.Change{Edition: 1, Arrivals: completion.Any, To: other})
	s.status(one, 2, other)
	s.swap(one, true, completion.Change{Edition: 2, Arrivals: completion.Any})
	s.status(one, 3, completion.Status{})
	s.status(two, 0, completion.Status{})
}

func swapCounted(s *scene) {
	s.swap(one, false, completion.Change{Arrivals: 1, To: full})
	s.swap(one, true, completion.Change{Arrivals: 0, To: full})
	s.arrive(one, 2, completion.Object("a", 0), completion.Object("b", 0))
	for _, n := range []int64{0, 1, 3} {
		s.swap(one, false, completion.Change{Edition: 1, Arrivals: n})
	}
	s.status(one, 1, full)
	s.swap(one, true, completion.Change{Edition: 1, Arrivals: 2})
	s.swap(one, false, completion.Change{Edition: 1, Arrivals: 2})
}

func swapRace(s *scene) {
	var mu sync.Mutex
	var winners []int
	for edition := range int64(5) {
		winners = nil
		s.together(func(i int, store completion.Store) error {
			ok, err := store.Swap(s.ctx, one, completion.Change{Edition: edition, Arrivals: completion.Any, To: completion.Status{Holder: fmt.Sprint(i)}})
			if ok {
				mu.Lock()
				defer mu.Unlock()
				winners = append(winners, i)
			}
			return err
		})
		if len(winners) != 1 {
			s.broken("%d changes of edition %d held", len(winners), edition)
			return
		}
		s.status(one, edition+1, completion.Status{Holder: fmt.Sprint(winners[0])})
	}
}

func closeRace(s *scene) {
	var mu sync.Mutex
	closed := int64(-1)
	s.together(func(i int, store completion.Store) error {
		if i%2 == 0 {
			for k := range 10 {
				err := insist(func() error {
					_, err := store.Arrive(s.ctx, one, []completion.Arrival{completion.Object(fmt.Sprint(i, "/", k), 0)})
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		for range 20 {
			rec, err := store.Look(s.ctx, one)
			if err != nil {
				return err
			}
			if rec.Edition > 0 {
				break
			}
			n := rec.Count.Arrivals
			ok, err := store.Swap(s.ctx, one, completion.Change{Arrivals: n, To: completion.Status{Told: n}})
			if err != nil {
				return err
			}
			if ok {
				mu.Lock()
				defer mu.Unlock()
				if closed >= 0 {
					return errors.New("the set was closed twice")
				}
				closed = n
				break
			}
		}
		return nil
	})
	rec, err := s.store.Look(s.ctx, one)
	s.must("look", err)
	if want := int64((s.opts.Workers + 1) / 2 * 10); rec.Count.Arrivals != want {
		s.broken("%d arrivals were counted, want %d", rec.Count.Arrivals, want)
	}
	if closed >= 0 && rec.Status.Told != closed {
		s.broken("closed at %d, but the status says %d", closed, rec.Status.Told)
	}
}

func apart(s *scene) {
	s.arrive(one, 1, completion.Object("a", 1))
	s.swap(one, true, completion.Change{Arrivals: completion.Any, To: full})
	s.arrive(one, 1, completion.Object("b", 1))
	s.status(one, 1, full)
	s.swap(one, true, completion.Change{Edition: 1, Arrivals: completion.Any})
	s.count(one, completion.Count{Arrivals: 2, Objects: 2, Records: 2})
	s.arrive(one, 0, completion.Object("a", 1))
}

func lost(s *scene) {
	if s.opts.Faulty == nil {
		s.Skip("the store has no answers to lose")
	}
	store, mute := s.opts.Faulty(s)
	// Its first calls may take more than one request.
	_, err := store.Arrive(s.ctx, two, []completion.Arrival{completion.Object("a", 1)})
	s.must("arrive", err)
	_, err = store.Swap(s.ctx, two, completion.Change{Arrivals: 1})
	s.must("swap", err)
	muted := func(op string, f func() error) {
		s.Helper()
		_, err := store.Look(s.ctx, two) // there is a connection again
		s.must("look", err)
		mute(true)
		err = f()
		mute(false)
		if !fault.Is(err, fault.ClassInterrupted) {
			s.broken("%s without an answer returned %v", op, err)
		}
	}
	arrivals := []completion.Arrival{completion.Object("a", 1), completion.Object("b", 1)}
	muted("Arrive", func() error { _, err := store.Arrive(s.ctx, one, arrivals); return err })
	s.count(one, completion.Count{Arrivals: 2, Objects: 2, Records: 2})
	_, err = store.Arrive(s.ctx, one, arrivals)
	s.must("arrive again", err)
	s.count(one, completion.Count{Arrivals: 2, Objects: 2, Records: 2})
	muted("Look", func() error { _, err := store.Look(s.ctx, one); return err })
	muted("Missing", func() error { _, err := store.Missing(s.ctx, one, []string{"a"}); return err })
	change := completion.Change{Arrivals: 2, To: full}
	muted("Swap", func() error { _, err := store.Swap(s.ctx, one, change); return err })
	s.status(one, 1, full)
	s.swap(one, false, change)
}

func ended(s *scene) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	check := func(op string, err error) {
		s.Helper()
		if !fault.Is(err, fault.ClassInterrupted) || !errors.Is(err, context.Canceled) {
			s.broken("%s returned %v", op, err)
		}
	}
	_, err := s.store.Arrive(ctx, one, []completion.Arrival{completion.Object("a", 0)})
	check("Arrive", err)
	_, err = s.store.Look(ctx, one)
	check("Look", err)
	_, err = s.store.Swap(ctx, one, completion.Change{Arrivals: completion.Any, To: full})
	check("Swap", err)
	_, err = s.store.Missing(ctx, one, []string{"a"})
	check("Missing", err)
	s.count(one, completion.Count{})
	s.status(one, 0, completion.Status{})
}
