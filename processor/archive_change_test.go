package processor_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// exchange puts another content of the same size in the place of a file, and
// gives it the same time: by renaming, or in place.
func (d *depot) exchange(key string, inPlace bool) {
	d.t.Helper()
	name := filepath.Join(d.in, key)
	st, err := os.Stat(name)
	require.NoError(d.t, err)
	other := make([]byte, st.Size())
	to := name
	if !inPlace {
		to = filepath.Join(d.t.TempDir(), "other")
	}
	require.NoError(d.t, os.WriteFile(to, other, 0o600))
	require.NoError(d.t, os.Chtimes(to, st.ModTime(), st.ModTime()))
	if !inPlace {
		require.NoError(d.t, os.Rename(to, name))
	}
	d.files[key] = string(other)
}

// A file that was exchanged for another of its size and its time is left alone,
// at whatever moment that was: nobody has processed it.
func TestArchiveOfAnExchangedFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell when a file took its name")
	}
	const key = "0.json"
	for _, way := range archiveWays {
		for name, when := range map[string]func(*depot, *processor.ArchiveConfig, func()){
			"before": func(_ *depot, cfg *processor.ArchiveConfig, exchange func()) {
				cfg.ClockSkew = -1
				time.Sleep(20 * time.Millisecond) // times of files go by ticks of the kernel
				exchange()
			},
			"after it was looked at": func(d *depot, cfg *processor.ArchiveConfig, exchange func()) {
				cfg.Claims = &extendHook{Claims: d.store, before: func() error { exchange(); return nil }}
			},
			"after it was copied": func(_ *depot, cfg *processor.ArchiveConfig, exchange func()) {
				cfg.Source = &readHook{noMove: noMove{cfg.Source}, key: key, closed: exchange}
			},
		} {
			if name == "after it was copied" && way.name != "copy" {
				continue
			}
			for _, inPlace := range []bool{false, true} {
				t.Run(way.name+", "+name, func(t *testing.T) {
					d := newDepot(t, 3)
					cfg := d.config()
					way.set(&cfg)
					when(d, &cfg, func() { d.exchange(key, inPlace) })
					r, err := processor.Archive(t.Context(), cfg)
					require.Error(t, err)
					assert.Equal(t, []int64{2, 1}, []int64{r.Archived, r.Changed}, "%q", r.Errors)
					assert.Equal(t, map[string]string{key: d.files[key]}, contents(t, d.in))
				})
			}
		}
	}
}

// extendHook is a store with something that is done before each extension.
type extendHook struct {
	processor.Claims
	before func() error
}

func (e *extendHook) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := e.before(); err != nil {
		return err
	}
	return e.Claims.Extend(ctx, leases, ttl)
}

// readHook is a source with something that is done when an object was read.
type readHook struct {
	noMove
	key    string
	closed func()
}

func (r *readHook) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	body, found, err := r.Source.Open(ctx, o, off, n)
	if err == nil && o.Key == r.key {
		body = &closeHook{body, r.closed}
	}
	return body, found, err
}

type closeHook struct {
	io.ReadCloser
	closed func()
}

func (c *closeHook) Close() error {
	defer c.closed()
	return c.ReadCloser.Close()
}

// Where the claim store tells when an object was claimed, what came after that
// was not what was read, though it came before the object was finished.
func TestArchiveLeavesWhatCameAfterTheClaim(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell when a file took its name")
	}
	d := newDepot(t, 2)
	cfg := d.config()
	cfg.Claims = claimedAt{d.store, time.Hour}
	r, err := processor.Archive(t.Context(), cfg)
	require.Error(t, err)
	assert.EqualValues(t, 2, r.Changed)
	cfg.Claims = claimedAt{d.store, time.Second} // within the skew
	r, err = processor.Archive(t.Context(), cfg)
	require.NoError(t, err)
	assert.EqualValues(t, 2, r.Archived)
}

// claimedAt is a store in which all was claimed so long before it was finished.
type claimedAt struct {
	processor.Claims
	before time.Duration
}

func (c claimedAt) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	entries, err := c.Claims.Inspect(ctx, keys)
	for i := range entries {
		entries[i].ClaimedAt = entries[i].DoneAt.Add(-c.before)
	}
	return entries, err
}

// Where a source does not tell since when an object is there, or a store not when
// it was finished, it is unknown what was processed.
func TestArchiveLeavesWhatNobodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a")
		a.finish("a")
		a.cfg.ForgetAfter, a.cfg.Delete = 0, true
		a.shelf.since = time.Time{}
		r, err := processor.Archive(t.Context(), a.cfg)
		require.Error(t, err)
		assert.EqualValues(t, 1, r.Failed)
		assert.Contains(t, r.Errors[0], "claim versions")
		a.shelf.since = time.Unix(0, 0)
		a.cfg.Claims = timeless{a.store}
		assert.EqualValues(t, 1, a.archive().Unfinished)
		a.finish("gone")
		a.cfg.ForgetAfter = time.Nanosecond
		time.Sleep(time.Hour)
		assert.Zero(t, a.archive().Forgotten)
		a.cfg.ForgetAfter = 0
		a.cfg.Claims = a.store
		assert.EqualValues(t, 1, a.archive().Archived)
	})
}

// timeless is a store that does not tell when something was finished.
type timeless struct{ processor.Claims }

func (s timeless) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	entries, err := s.Claims.Inspect(ctx, keys)
	for i := range entries {
		entries[i].DoneAt = time.Time{}
	}
	return entries, err
}

func (s timeless) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		for e, err := range s.Claims.Completed(ctx) {
			e.DoneAt = time.Time{}
			if !yield(e, err) {
				return
			}
		}
	}
}

// An object that is removed is gone, unless it is still there; what took its
// place, however like it, is new.
func TestArchiveMakesSureThatItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a")
		a.finish("a")
		a.cfg.ForgetAfter, a.cfg.Delete = 0, true
		a.shelf.onRemove = func() error { return nil }
		r, err := processor.Archive(t.Context(), a.cfg)
		require.Error(t, err)
		assert.Equal(t, []int64{0, 1}, []int64{r.Archived, r.Failed})
		assert.Equal(t, []string{"a"}, a.known())
		a.shelf.onRemove = func() error {
			a.shelf.since = a.shelf.since.Add(time.Second)
			return nil
		}
		assert.EqualValues(t, 1, a.archive().Archived)
		assert.Empty(t, a.known())
	})
}

// A source that can never remove anything is not asked again and again.
func TestArchiveStopsAtAFatalError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a", "b", "c")
		a.finish("a", "b", "c")
		a.cfg.ForgetAfter, a.cfg.Delete, a.cfg.Block = 0, true, 1
		var calls atomic.Int64
		a.shelf.onRemove = func() error {
			calls.Add(1)
			return fault.Fatal(errors.New("access denied"))
		}
		r, err := processor.Archive(t.Context(), a.cfg)
		require.ErrorContains(t, err, "access denied")
		assert.Equal(t, fault.ClassFatal, fault.Of(err))
		assert.EqualValues(t, 1, calls.Load())
		assert.EqualValues(t, 1, r.Failed)
		assert.Len(t, r.Errors, 1, "told once")
		assert.Len(t, a.known(), 3)
	})
}

// To be stopped while an object is copied is no failure.
func TestArchiveThatIsStoppedWhileItCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a", "b")
		a.finish("a", "b")
		a.cfg.ForgetAfter, a.cfg.To = 0, t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		a.cfg.Source = stopped{noMove{a.shelf}, cancel}
		r, err := processor.Archive(ctx, a.cfg)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, r.Status)
		assert.Empty(t, r.Errors)
		assert.Equal(t, []int64{0, 0}, []int64{r.Archived, r.Failed})
	})
}

// stopped is a source that nothing can be read from before the archiver is
// stopped.
type stopped struct {
	noMove
	stop func()
}

func (s stopped) Open(ctx context.Context, _ source.Object, _, _ int64) (io.ReadCloser, source.Object, error) {
	s.stop()
	return nil, source.Object{}, ctx.Err()
}

// An intent that could not be noted is not carried out, in whatever way the
// store says so.
func TestArchiveRemovesNothingBeforeItIsNoted(t *testing.T) {
	broken := errors.New("item too large")
	for _, refusal := range []error{broken, fault.Interrupted(broken), &claim.BatchError{Failed: []claim.EntryError{{Err: broken}}}} {
		d := newDepot(t, 3)
		cfg := d.config()
		cfg.Claims = &extendHook{Claims: d.store, before: func() error { return refusal }}
		r, err := processor.Archive(t.Context(), cfg)
		require.ErrorIs(t, err, broken)
		assert.Zero(t, r.Archived)
		assert.Equal(t, d.files, contents(t, d.in))
	}
}

// Claims that could not be forgotten are so by the next archiver, though only
// some of them failed.
func TestArchiveForgetsInTheEnd(t *testing.T) {
	broken := errors.New("throttled")
	for _, refusal := range []error{broken, &claim.BatchError{Failed: []claim.EntryError{{Index: 1, Err: broken}}}} {
		d := newDepot(t, 3)
		cfg := d.config()
		cfg.Claims = &watchedClaims{Claims: d.store, forget: func([]string) error { return refusal }}
		_, err := processor.Archive(t.Context(), cfg)
		require.ErrorIs(t, err, broken)
		d.put("late.json", `{"id":"late"}`)
		d.drainedNow()
		d.messages++
		r, err := processor.Archive(t.Context(), d.config())
		require.NoError(t, err)
		assert.Equal(t, []int64{3, 1}, []int64{r.Repaired, r.Archived})
		d.archived(false)
	}
}

// A store that is away for a moment, at whatever call, costs nothing: the next
// archiver does what this one left.
func TestArchiveThroughAnOutage(t *testing.T) {
	for _, way := range archiveWays {
		t.Run(way.name, func(t *testing.T) {
			for n, away := int64(1), true; away; n += int64(sized(1, 2)) {
				d := newDepot(t, 3)
				cfg := d.config()
				cfg.Block = 2
				var calls atomic.Int64
				o := &outage{Claims: d.store, away: func() bool {
					call := calls.Add(1)
					return call == n || call == n+1 // most calls are made twice
				}}
				cfg.Claims = o
				way.set(&cfg)
				_, err := processor.Archive(t.Context(), cfg)
				away = calls.Load() >= n
				if !away {
					require.NoError(t, err)
				}
				d.expire(o.lease)
				d.put("late.json", `{"id":"late"}`)
				d.drainedNow()
				d.messages++
				_, err = processor.Archive(t.Context(), processor.ArchiveConfig{Source: cfg.Source, Claims: d.store, To: cfg.To, Delete: cfg.Delete})
				require.NoError(t, err)
				d.archived(cfg.Delete)
			}
		})
	}
}

// outage is a store that is away for some of its calls.
type outage struct {
	processor.Claims
	away  func() bool
	lease claim.Lease // the last that was granted
}

func (o *outage) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if o.away() {
		return nil, errAway
	}
	results, err := o.Claims.Claim(ctx, owner, nonce, keys, ttl)
	if err == nil {
		o.lease = results[0].Lease
	}
	return results, err
}

func (o *outage) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if o.away() {
		return errAway
	}
	return o.Claims.Extend(ctx, leases, ttl)
}

func (o *outage) Release(ctx context.Context, returns []claim.Return) error {
	if o.away() {
		return errAway
	}
	return o.Claims.Release(ctx, returns)
}

func (o *outage) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if o.away() {
		return nil, errAway
	}
	return o.Claims.Inspect(ctx, keys)
}

func (o *outage) Forget(ctx context.Context, keys []string) error {
	if o.away() {
		return errAway
	}
	return o.Claims.Forget(ctx, keys)
}

// An archiver that was stalled for longer than its lease, while it copied,
// removes nothing: another one may be at work.
func TestArchiverThatLostItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a", "b")
		a.finish("a", "b")
		a.cfg.To, a.cfg.ForgetAfter = t.TempDir(), 0
		var before atomic.Bool
		cfg := a.cfg
		cfg.Claims = &extendHook{Claims: a.store, before: func() error {
			if before.CompareAndSwap(false, true) {
				return nil
			}
			return errAway
		}}
		cfg.Source = &readHook{noMove: noMove{a.shelf}, key: "a", closed: func() { time.Sleep(2 * time.Minute) }}
		r, err := processor.Archive(t.Context(), cfg)
		require.Error(t, err)
		assert.Equal(t, []int64{0, 2}, []int64{r.Archived, r.Failed})
		assert.Contains(t, r.Errors[0], claim.ErrLost.Error())
		assert.Len(t, a.shelf.objects, 2)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 2, a.archive().Archived, "the copies are there already")
	})
}

// Nor does it have anything forgotten, if that happens while it looks.
func TestArchiverThatLostItsLeaseForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "there")
		a.finish("gone")
		time.Sleep(2 * time.Hour)
		cfg := a.cfg
		cfg.Claims = &extendHook{Claims: a.store, before: func() error { return errAway }}
		cfg.Source = &hooked{Source: a.shelf, stat: func(string) { time.Sleep(2 * time.Minute) }}
		_, err := processor.Archive(t.Context(), cfg)
		require.ErrorIs(t, err, claim.ErrLost)
		assert.Equal(t, []string{"gone"}, a.known())
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, a.archive().Forgotten)
	})
}

// Unfinished copies of an archiver that died are removed by the next one, and not
// those that somebody is writing.
func TestArchiveSweepsUpAfterTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttic(t, "a/1", "a/2", "b/1")
		a.finish("a/1", "a/2")
		a.cfg.To, a.cfg.ForgetAfter = t.TempDir(), 0
		m := &mortal{left: 1 << 30}
		a.shelf.onRemove = func() error {
			m.kill()
			return errDead
		}
		cfg := a.cfg
		cfg.Claims = mortalClaims{a.store, m}
		_, err := processor.Archive(t.Context(), cfg)
		require.Error(t, err)
		temp := func(name string) string { return filepath.Join(a.cfg.To, name+"-0000-0000-0000-000000000000.tmp") }
		dead, other := temp("a/.part-00000001"), temp("a/.part-00000002")
		for _, name := range []string{dead, other} {
			require.NoError(t, os.WriteFile(name, nil, 0o600))
			require.NoError(t, os.Chtimes(name, time.Now(), time.Now()))
		}
		time.Sleep(time.Hour)
		require.NoError(t, os.Chtimes(other, time.Now(), time.Now()))
		a.shelf.onRemove = nil
		assert.EqualValues(t, 2, a.archive().Archived)
		assert.NoFileExists(t, dead)
		assert.FileExists(t, other)
	})
}
