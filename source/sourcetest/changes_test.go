package sourcetest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// teller is a Memory that tells what appears in it, with what is wrong with
// that.
type teller struct {
	*Memory
	wrong breach

	mu     sync.Mutex
	wake   chan struct{} // closed when something appears
	shared *told
	leaked sync.WaitGroup
	stop   chan struct{}
}

// breach is a way to break the rules of Changes.
type breach int

const (
	none breach = iota
	startsNow
	listsWhatHasGone
	ignoresAll
	losesWhatCameDuring
	tellsNothing
	forgetsWhatItYielded
	forgetsWhatItBegan
	takesFailureForTheEnd
	listsWithoutContext
	sharesState
	waitsWithoutContext
	waitsForEver
	sleeps
	missesWhatWasBefore
	leaks
	cannotBeClosed
)

func newTeller(files map[string]string, wrong breach) *teller {
	return &teller{Memory: NewMemory(files), wrong: wrong, wake: make(chan struct{}), stop: make(chan struct{})}
}

func (s *teller) fixture() Fixture {
	f := memoryFixture(s.Memory)
	f.Source = s
	f.Notices = true
	f.Write = func(key, content string) error {
		s.Put(key, []byte(content))
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.wake)
		s.wake = make(chan struct{})
		return nil
	}
	return f
}

func (s *teller) latest() int {
	s.Memory.mu.Lock()
	defer s.Memory.mu.Unlock()
	return s.versions
}

func (s *teller) Watch(context.Context) (source.Changes, error) {
	c := &told{s: s}
	switch s.wrong {
	case startsNow:
		c.last = s.latest()
	case sharesState:
		if s.shared == nil {
			s.shared = c
		}
		return s.shared, nil
	}
	return c, nil
}

// told are the Changes of a teller: it lists what is newer than what it listed
// last.
type told struct {
	s    *teller
	last int
	gone []source.Object
}

func (c *told) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		wrong := c.s.wrong
		from, latest := c.last, c.s.latest()
		if all && wrong != ignoresAll {
			from = 0
		}
		if wrong == forgetsWhatItBegan {
			c.last = latest
		}
		objects := c.s.Objects(ctx)
		if wrong == listsWithoutContext {
			objects = c.s.Objects(context.WithoutCancel(ctx))
		}
		for o, err := range objects {
			if err == nil && int(o.ModTime.Unix()) <= from {
				continue
			}
			if err != nil && wrong == takesFailureForTheEnd {
				c.last = latest
			}
			if !yield(o, err) || err != nil {
				return
			}
			if wrong == forgetsWhatItYielded {
				c.last = max(c.last, int(o.ModTime.Unix()))
			}
			c.gone = append(c.gone, o)
		}
		if wrong == listsWhatHasGone && all {
			for _, o := range c.gone {
				if _, _, err := c.s.Memory.Open(ctx, o, 0, 0); err != nil && !yield(o, nil) {
					return
				}
			}
		}
		c.last = latest
		if wrong == losesWhatCameDuring {
			c.last = c.s.latest()
		}
		if wrong == tellsNothing {
			c.last = 1 << 30
		}
	}
}

func (c *told) Wait(ctx context.Context, most time.Duration) {
	switch c.s.wrong {
	case waitsWithoutContext:
		ctx = context.WithoutCancel(ctx)
	case waitsForEver:
		most = time.Hour
	}
	c.s.mu.Lock()
	wake := c.s.wake
	c.s.mu.Unlock()
	switch {
	case c.s.wrong == sleeps:
		wake = nil
	case c.s.wrong != missesWhatWasBefore && c.s.latest() > c.last:
		return
	}
	select {
	case <-wake:
	case <-time.After(most):
	case <-ctx.Done():
	}
}

func (c *told) Close() error {
	switch c.s.wrong {
	case leaks:
		c.s.leaked.Go(func() { <-c.s.stop })
	case cannotBeClosed:
		return assert.AnError
	}
	return nil
}

func TestChangesConformance(t *testing.T) {
	Run(t, func(_ testing.TB, files map[string]string) Fixture { return newTeller(files, none).fixture() })
}

// polling is a Watcher by way of source.Poll.
type polling struct{ *Memory }

func (s polling) Watch(context.Context) (source.Changes, error) { return source.Poll(s.Memory), nil }

func TestPollConformance(t *testing.T) {
	Run(t, func(_ testing.TB, files map[string]string) Fixture {
		f := memoryFixture(NewMemory(files))
		f.Source = polling{f.Source.(*Memory)}
		return f
	})
}

// TestBrokenChangesBreakTheirRule is TestBrokenSourcesBreakTheirRule for
// Changes.
func TestBrokenChangesBreakTheirRule(t *testing.T) {
	checks := map[string]func(context.Context, *trial) error{}
	for _, r := range changesRules() {
		checks[r.name] = r.check
	}
	unproven := maps.Clone(checks)
	for name, c := range map[string]struct {
		rule  string
		wrong breach
	}{
		"tells only what comes":                       {"ChangesListEverythingFirst", startsNow},
		"all is as good as nothing":                   {"ChangesListAllWhenAsked", ignoresAll},
		"remembers what was removed":                  {"ChangesListAllWhenAsked", listsWhatHasGone},
		"loses what comes during a listing":           {"ChangesTellWhatAppears", losesWhatCameDuring},
		"tells nothing after the first listing":       {"ChangesTellWhatAppears", tellsNothing},
		"forgets what it yielded":                     {"ChangesBrokenOffLoseNothing", forgetsWhatItYielded},
		"forgets what it began to list":               {"ChangesBrokenOffLoseNothing", forgetsWhatItBegan},
		"takes a failure for the end":                 {"ChangesFailedLoseNothing", takesFailureForTheEnd},
		"does not listen to the context when listing": {"ChangesFailedLoseNothing", listsWithoutContext},
		"one state for all":                           {"ChangesAreIndependent", sharesState},
		"does not listen to the context when waiting": {"WaitEnds", waitsWithoutContext},
		"waits until something comes":                 {"WaitEnds", waitsForEver},
		"sleeps":                                      {"WaitNotices", sleeps},
		"misses what came before it waited":           {"WaitNotices", missesWhatWasBefore},
		"leaves a goroutine":                          {"ChangesCloseReleases", leaks},
		"cannot be closed":                            {"ChangesCloseReleases", cannotBeClosed},
	} {
		t.Run(name, func(t *testing.T) {
			var s *teller
			x := newTrial(t, func(_ testing.TB, files map[string]string) Fixture {
				s = newTeller(files, c.wrong)
				return s.fixture()
			})
			x.limit = 50 * time.Millisecond
			require.Contains(t, checks, c.rule)
			assert.Error(t, checks[c.rule](t.Context(), x), "the check of %s takes it", c.rule)
			close(s.stop)
			s.leaked.Wait()
		})
		delete(unproven, c.rule)
	}
	assert.Empty(t, slices.Collect(maps.Keys(unproven)), "no broken Changes were ever caught by these checks")
}
