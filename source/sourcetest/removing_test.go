package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// shelf is a source in memory whose objects can be removed and moved, and what is
// wrong with it, if anything.
type shelf struct {
	*Memory
	attic *Memory
	wrong string
}

// is reports whether that is wrong with it.
func (s shelf) is(wrong string) bool { return s.wrong == wrong }

func (s shelf) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	if s.is("looks after the end") {
		ctx = context.WithoutCancel(ctx)
	}
	r, o, err := s.Open(ctx, source.Object{Key: key, Size: -1}, 0, 0)
	if err != nil {
		if s.is("knows nothing of what is gone") {
			err = errors.New("404")
		}
		return source.Object{}, time.Time{}, err
	}
	if s.is("tells other sizes") {
		o.Size++
	}
	since := o.ModTime
	if s.is("tells times backwards") {
		since = time.Unix(-o.ModTime.Unix(), 0)
	}
	return o, since, r.Close()
}

// take takes an object away, when keep has what it held.
func (s shelf) take(ctx context.Context, o source.Object, keep func(data []byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.is("takes what is there now") {
		o = source.Object{Key: o.Key, Size: -1}
	}
	r, _, err := s.Open(ctx, o, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := keep(data); err != nil {
		return err
	}
	if s.is("takes the neighbours, too") {
		s.Delete("a.json")
	}
	if !s.is("leaves what it took") {
		s.Delete(o.Key)
	}
	return nil
}

// answer makes what is said of an object of its error.
func (s shelf) answer(err error) error {
	switch {
	case s.is("says yes to all"), s.is("takes a retry for a success") && errors.Is(err, fs.ErrNotExist), s.is("says yes after the end") && errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

func (s shelf) Remove(ctx context.Context, objects []source.Object) []error {
	errs := make([]error, len(objects))
	for i, o := range objects {
		errs[i] = s.answer(s.take(ctx, o, func([]byte) error { return nil }))
	}
	if s.is("answers the other way round") {
		slices.Reverse(errs[:max(1, len(errs)-1)])
	}
	return errs
}

func (s shelf) StatBlock(ctx context.Context, keys []string) []source.Seen {
	all := make([]source.Seen, len(keys))
	for i, key := range keys {
		o, since, err := s.Stat(ctx, key)
		all[i] = source.Seen{Object: o, Since: since, Err: err}
	}
	if s.is("mixes up a block") {
		slices.Reverse(all)
	}
	return all
}

func (s shelf) RemoveBlock(ctx context.Context, seen []source.Seen) []error {
	objects := make([]source.Object, len(seen))
	for i := range seen {
		objects[i] = seen[i].Object
		if s.is("removes blocks unseen") {
			objects[i] = source.Object{Key: seen[i].Key, Size: -1}
		}
	}
	return s.Remove(ctx, objects)
}

func (s shelf) Move(ctx context.Context, objects []source.Object, _ string) []error {
	errs := make([]error, len(objects))
	for i, o := range objects {
		err := s.take(ctx, o, func(data []byte) error {
			if s.attic.has(o.Key) && !s.is("replaces what is in the way") {
				return fmt.Errorf("move %q: %w", o.Key, fs.ErrExist)
			}
			if s.is("cuts what it moves") {
				data = data[:len(data)/2]
			}
			if !s.is("moves to nowhere") {
				s.attic.Put(o.Key, data)
			}
			return nil
		})
		if s.is("forgets what moved before") && err != nil {
			s.attic.Delete(o.Key)
		}
		if s.is("loses all at the end") && ctx.Err() != nil {
			s.Delete(o.Key)
		}
		errs[i] = s.answer(err)
	}
	return errs
}

// has reports whether something is under key.
func (m *Memory) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.objects[key]
	return ok
}

// shelves makes shelves with something wrong.
func shelves(wrong string) Harness {
	return func(_ testing.TB, files map[string]string) Fixture {
		s := shelf{NewMemory(files), NewMemory(nil), wrong}
		f := memoryFixture(s.Memory)
		f.Source = s
		f.Attic = func() (Attic, error) {
			return Attic{
				URL:   "memory:attic",
				Write: func(key, content string) error { s.attic.Put(key, []byte(content)); return nil },
				Read: func(key string) (string, error) {
					data, _, err := s.attic.ReadObject(context.Background(), source.Object{Key: key, Size: -1}, nil, 2<<20)
					return string(bytes.Clone(data)), err
				},
			}, nil
		}
		return f
	}
}

func TestRemoverConformance(t *testing.T) { RunRemover(t, shelves("")) }

// TestBrokenRemoversBreakTheirRule: each broken source fails the check of the rule
// that it breaks.
func TestBrokenRemoversBreakTheirRule(t *testing.T) {
	checks := map[string]func(context.Context, *trial) error{}
	for _, r := range slices.Concat(removerRules(), blockRules(), moverRules()) {
		checks[r.name] = r.check
	}
	unproven := maps.Clone(checks)
	delete(unproven, "RemoveConcurrently") // the race detector breaks it
	for _, c := range []struct{ wrong, rule string }{
		{"tells other sizes", "StatIsListed"},
		{"tells times backwards", "StatSince"},
		{"knows nothing of what is gone", "StatGone"},
		{"takes the neighbours, too", "RemovesWhatIsGiven"},
		{"leaves what it took", "RemovesWhatIsGiven"},
		{"takes what is there now", "RemoveAnswersForEach"},
		{"says yes to all", "RemoveAnswersForEach"},
		{"answers the other way round", "RemoveAnswersForEach"},
		{"takes a retry for a success", "RemovedTwice"},
		{"looks after the end", "RemoveAfterTheEnd"},
		{"says yes after the end", "RemoveAfterTheEnd"},
		{"mixes up a block", "StatBlockIsStat"},
		{"removes blocks unseen", "RemoveBlockAnswersForEach"},
		{"moves to nowhere", "MovesWhatIsGiven"},
		{"cuts what it moves", "MovesWhatIsGiven"},
		{"leaves what it took", "MovesWhatIsGiven"},
		{"takes what is there now", "MoveAnswersForEach"},
		{"says yes to all", "MoveAnswersForEach"},
		{"replaces what is in the way", "MoveReplacesNothing"},
		{"forgets what moved before", "MovedTwice"},
		{"takes a retry for a success", "MovedTwice"},
		{"says yes after the end", "MoveAfterTheEnd"},
		{"loses all at the end", "MoveAfterTheEnd"},
	} {
		t.Run(c.wrong+"/"+c.rule, func(t *testing.T) {
			require.Contains(t, checks, c.rule)
			assert.Error(t, checks[c.rule](t.Context(), newTrial(t, shelves(c.wrong))), "the check of %s takes it", c.rule)
		})
		delete(unproven, c.rule)
	}
	assert.Empty(t, slices.Collect(maps.Keys(unproven)), "no broken source was ever caught by these checks")
}
