package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// shelf is a source of names and versions, from which an archiver can remove.
type shelf struct {
	objects map[string]string // version by key
	broken  string            // key that cannot be looked at
	since   time.Time         // all of them are there

	onRemove func() error // what becomes of removals, instead
}

func (s *shelf) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for key, version := range s.objects {
			if !yield(source.Object{Key: key, Version: version, Size: 1}, nil) {
				return
			}
		}
	}
}

func (s *shelf) Open(_ context.Context, o source.Object, _, _ int64) (io.ReadCloser, source.Object, error) {
	return io.NopCloser(strings.NewReader("1")), o, nil
}

func (s *shelf) Stat(_ context.Context, key string) (source.Object, time.Time, error) {
	version, ok := s.objects[key]
	switch {
	case key == s.broken:
		return source.Object{}, time.Time{}, errors.New("permission denied")
	case !ok:
		return source.Object{}, time.Time{}, fs.ErrNotExist
	}
	return source.Object{Key: key, Version: version, Size: 1}, s.since, nil
}

func (s *shelf) Remove(_ context.Context, objects []source.Object) []error {
	errs := make([]error, len(objects))
	for i, o := range objects {
		if s.onRemove != nil {
			errs[i] = s.onRemove()
		} else {
			delete(s.objects, o.Key)
		}
	}
	return errs
}

// attic is a shelf, its claims, and an archiver that does nothing but forget
// after an hour.
type attic struct {
	*scene
	shelf *shelf
	cfg   processor.ArchiveConfig
}

func newAttic(t *testing.T, keys ...string) *attic {
	a := &attic{scene: newScene(t), shelf: &shelf{objects: map[string]string{}, since: time.Unix(0, 0)}}
	for _, key := range keys {
		a.shelf.objects[key] = "v1"
	}
	a.cfg = processor.ArchiveConfig{Source: a.shelf, Claims: a.store, ForgetAfter: time.Hour, RetryURL: a.scene.cfg.RetryURL, Block: 3}
	return a
}

// known are the keys of the finished claims, sorted.
func (a *attic) known() []string {
	a.t.Helper()
	var keys []string
	for e, err := range a.store.Completed(a.t.Context()) {
		require.NoError(a.t, err)
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	return keys
}

func (a *attic) archive() processor.ArchiveReport {
	a.t.Helper()
	r, err := processor.Archive(a.t.Context(), a.cfg)
	require.NoError(a.t, err)
	return r
}

// Claims of what others took away are forgotten when they are old enough, and
// those of what is there are kept, however old they are.
func TestArchiveForgetsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "there", "new")
		long := strings.Repeat("x", claim.MaxKeyBytes-65) + "\x00" + strings.Repeat("0", 64) // as what was cut
		a.finish("there", "gone 1", "gone 2", "gone 3", "gone 4", long, "versioned\x00v1")
		time.Sleep(30 * time.Minute)
		a.finish("gone just now")
		assert.Zero(t, a.archive().Forgotten)
		time.Sleep(30 * time.Minute)
		r := a.archive()
		assert.EqualValues(t, 4, r.Forgotten)
		assert.Zero(t, r.Archived)
		assert.Equal(t, []string{"gone just now", "there", "versioned\x00v1", long}, a.known())
		assert.Len(t, a.shelf.objects, 2, "nothing is taken away")
		time.Sleep(30 * time.Minute)
		assert.EqualValues(t, 1, a.archive().Forgotten)
		a.cfg.ForgetAfter, a.cfg.Delete = 0, true
		a.finish("gone later")
		time.Sleep(10000 * time.Hour)
		r = a.archive()
		assert.Equal(t, []int64{1, 0}, []int64{r.Archived, r.Forgotten}, "for ever, unless it is asked for")
		assert.Contains(t, a.known(), "gone later")
	})
}

// A source that lists nothing may be one that is not mounted.
func TestArchiveForgetsNothingOnAnEmptySourcesWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t)
		a.finish("a", "b")
		time.Sleep(2 * time.Hour)
		for _, remove := range []bool{false, true} {
			a.cfg.Delete = remove
			assert.Zero(t, a.archive().Forgotten)
			assert.Equal(t, []string{"a", "b"}, a.known())
		}
		a.shelf.objects["b"] = "v1"
		r := a.archive()
		assert.Equal(t, []int64{1, 1}, []int64{r.Archived, r.Forgotten})
		assert.Empty(t, a.known())
	})
}

// What an archiver that died meant to remove is not forgotten either while the
// source is away: it may be there still.
func TestArchiveRepairsNothingOnAnEmptySourcesWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a", "b")
		a.finish("a", "b")
		a.cfg.ForgetAfter, a.cfg.Delete = 0, true
		m := &mortal{left: 1 << 30}
		a.shelf.onRemove = func() error {
			m.kill()
			return errDead
		}
		cfg := a.cfg
		cfg.Claims = mortalClaims{a.store, m}
		_, err := processor.Archive(t.Context(), cfg)
		require.Error(t, err)
		time.Sleep(time.Hour)
		objects := a.shelf.objects
		a.shelf.onRemove = nil

		a.shelf.objects = map[string]string{}
		assert.Zero(t, a.archive().Repaired)
		assert.Equal(t, []string{"a", "b"}, a.known())
		delete(objects, "a")
		a.shelf.objects = objects
		r := a.archive()
		assert.Equal(t, []int64{1, 1}, []int64{r.Repaired, r.Archived})
		assert.Empty(t, a.known())
	})
}

// Where versions are claimed, the claims of those that were replaced go as well.
func TestArchiveForgetsVersionsThatWereReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a")
		a.cfg.ClaimVersion = true
		a.finish("a\x00v0", "a\x00v1", "b\x00v1", "a")
		time.Sleep(2 * time.Hour)
		assert.EqualValues(t, 2, a.archive().Forgotten)
		assert.Equal(t, []string{"a", "a\x00v1"}, a.known())
	})
}

// Parts of the retry destination are gone once they are worked off: so are their
// claims then, but for those of parts that are still there.
func TestArchiveForgetsPartsThatWereWorkedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "there")
		left := part(t, a.scene.cfg.RetryURL, "left", destination.Envelope{Object: "left", Class: "retryable"})
		a.finish("\x00retry/worked off~0.ndjson", "\x00retry/"+left)
		time.Sleep(2 * time.Hour)
		cfg := a.cfg
		cfg.RetryURL = ""
		r, err := processor.Archive(t.Context(), cfg)
		require.NoError(t, err)
		assert.Zero(t, r.Forgotten, "without a RetryURL nobody knows")
		assert.EqualValues(t, 1, a.archive().Forgotten)
		assert.Equal(t, []string{"\x00retry/" + left}, a.known())
	})
}

// What cannot be looked for is told, and kept; the others are forgotten.
func TestArchiveKeepsWhatItCannotLookFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "there")
		a.shelf.broken = "x 3"
		var keys []string
		for i := range 10 {
			keys = append(keys, fmt.Sprint("x ", i))
		}
		a.finish(keys...)
		time.Sleep(2 * time.Hour)
		r, err := processor.Archive(t.Context(), a.cfg)
		require.Error(t, err)
		assert.Equal(t, processor.StatusError, r.Status)
		assert.Equal(t, []int64{9, 1}, []int64{r.Forgotten, r.Failed})
		assert.Contains(t, r.Errors[0], "x 3: permission denied")
		assert.Equal(t, []string{"x 3"}, a.known())
	})
}

// A drain that follows a drain works off its parts, and in the end neither the
// source nor the claims hold anything of either.
func TestNothingIsLeftOfWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "new")
		s := a.scene
		s.put("a", 10, 10)
		var failed atomic.Bool
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if failed.CompareAndSwap(false, true) {
				return errors.New("once")
			}
			out.Write(rec.Data)
			out.End()
			return nil
		})
		s.cfg.Concurrency = 1
		s.drained(t.Context())
		s.exactlyOnce()
		require.Len(t, a.known(), 2, "of the object and of its part")
		time.Sleep(2 * time.Hour)
		assert.EqualValues(t, 2, a.archive().Forgotten, "the object is not on this shelf")
		assert.Empty(t, a.known())
	})
}
