package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

// depot is a folder of files that were drained, and where they are archived.
type depot struct {
	*scene
	in, to string
	files  map[string]string // content by key
	dir    *dir.Source

	messages int // sent by the drain
}

// newDepot drains n files, some of them in a nested folder.
func newDepot(t *testing.T, n int) *depot {
	t.Helper()
	d := &depot{scene: newScene(t), in: filepath.Join(t.TempDir(), "in"), to: filepath.Join(t.TempDir(), "a", "to"), files: map[string]string{}}
	require.NoError(t, os.MkdirAll(filepath.Join(d.in, "day", "hour"), 0o700))
	for i := range n {
		key := fmt.Sprintf("%d.json", i)
		if i%2 == 1 {
			key = "day/hour/" + key
		}
		d.put(key, fmt.Sprintf(`{"id":"%d","pad":%q}`, i, strings.Repeat("x", i)))
	}
	source, err := dir.Open(d.in, dir.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { source.Close() })
	d.dir, d.cfg.Source = source, source
	d.cfg.RetryURL, d.cfg.FailedURL, d.cfg.CorruptionURL = d.scene.dir+"/r", d.scene.dir+"/f", d.scene.dir+"/c"
	d.drainedNow()
	d.messages = len(d.out.Messages())
	return d
}

func (d *depot) put(key, content string) {
	d.t.Helper()
	d.files[key] = content
	require.NoError(d.t, os.WriteFile(filepath.Join(d.in, key), []byte(content), 0o600))
}

func (d *depot) config() processor.ArchiveConfig {
	return processor.ArchiveConfig{Source: d.dir, Claims: d.store, To: d.to}
}

// contents reads all files below a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		key, relErr := filepath.Rel(folder, path)
		found[filepath.ToSlash(key)] = string(text)
		return errors.Join(err, relErr)
	})
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return found
}

// archived checks that all is in its place, whole, forgotten, and not processed
// again.
func (d *depot) archived(deleted bool) {
	d.t.Helper()
	assert.Empty(d.t, contents(d.t, d.in))
	want := d.files
	if deleted {
		want = map[string]string{}
	}
	assert.Equal(d.t, want, contents(d.t, d.to))
	counts, err := d.store.Count(d.t.Context())
	require.NoError(d.t, err)
	assert.LessOrEqual(d.t, counts.Waiting, int64(1), "the archiver's own, if one was killed")
	counts.Waiting = 0
	assert.Equal(d.t, claim.Counts{}, counts, "nothing else is left in the claim store")
	d.sentOnce()
}

// sentOnce checks that another run sends nothing.
func (d *depot) sentOnce() {
	d.t.Helper()
	d.drainedNow()
	assert.Len(d.t, d.out.Messages(), d.messages)
}

// noMove is a source that can remove, and not move.
type noMove struct{ source.Source }

func (n noMove) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	return n.Source.(source.Remover).Stat(ctx, key)
}

func (n noMove) Remove(ctx context.Context, objects []source.Object) []error {
	return n.Source.(source.Remover).Remove(ctx, objects)
}

// archiveWays are the ways in which an archiver gets rid of objects.
var archiveWays = []struct {
	name string
	set  func(*processor.ArchiveConfig)
}{
	{"move", func(*processor.ArchiveConfig) {}},
	{"copy", func(c *processor.ArchiveConfig) { c.Source = noMove{c.Source} }},
	{"delete", func(c *processor.ArchiveConfig) { c.To, c.Delete = "", true }},
}

func TestArchive(t *testing.T) {
	for _, way := range archiveWays {
		t.Run(way.name, func(t *testing.T) {
			d := newDepot(t, 20)
			old := time.Now().Add(-time.Hour).Truncate(time.Second)
			require.NoError(t, os.Chtimes(filepath.Join(d.in, "0.json"), old, old))
			core, logs := observer.New(zap.InfoLevel)
			cfg := d.config()
			cfg.Block, cfg.Logger = 7, zap.New(core)
			way.set(&cfg)
			r, err := processor.Archive(t.Context(), cfg)
			require.NoError(t, err)
			assert.Equal(t, processor.StatusOK, r.Status)
			assert.Equal(t, []int64{20, 20, 0}, []int64{r.Objects, r.Archived, r.Failed})
			assert.Positive(t, r.Bytes)
			if way.name == "copy" {
				assert.EqualValues(t, 20, r.Copied)
			}
			assert.Equal(t, 1, logs.Len(), "one line")
			d.archived(cfg.Delete)
			if !cfg.Delete {
				st, err := os.Stat(filepath.Join(d.to, "0.json"))
				require.NoError(t, err)
				assert.True(t, st.ModTime().Equal(old), "it keeps its time")
			}
		})
	}
}

// Names may hold anything that a file system takes.
func TestArchiveOfHostileNames(t *testing.T) {
	for _, way := range archiveWays {
		t.Run(way.name, func(t *testing.T) {
			d := newDepot(t, 0)
			deep := strings.Repeat(strings.Repeat("d", 200)+"/", 8) // its claim's key is cut
			require.NoError(t, os.MkdirAll(filepath.Join(d.in, deep), 0o700))
			require.NoError(t, os.MkdirAll(filepath.Join(d.in, " ..."), 0o700))
			for i, key := range []string{
				"a\nb.json", "\xff\xfe", "-rf", "~", "x..", "a\\b", "%2e%2e", "$TimePath", "a-retry01~0.json", strings.Repeat("é", 127),
				" .../x", deep + "x", "\x01\x1b[2J",
			} {
				d.put(key, fmt.Sprintf(`{"id":"%d"}`, i))
			}
			d.drainedNow()
			d.messages = len(d.out.Messages())
			cfg := d.config()
			way.set(&cfg)
			r, err := processor.Archive(t.Context(), cfg)
			require.NoError(t, err)
			assert.EqualValues(t, len(d.files), r.Archived)
			d.archived(cfg.Delete)
		})
	}
}

// What is not finished, or only just, is left alone.
func TestArchiveLeavesTheRest(t *testing.T) {
	d := newDepot(t, 10)
	d.put("new.json", "{}")
	d.put("held.json", "{}")
	_, err := d.store.Claim(t.Context(), "worker", "n", []string{"held.json"}, time.Hour)
	require.NoError(t, err)
	cfg := d.config()
	cfg.After = time.Hour
	r, err := processor.Archive(t.Context(), cfg)
	require.NoError(t, err)
	assert.Equal(t, []int64{12, 10, 2, 0}, []int64{r.Objects, r.Recent, r.Unfinished, r.Archived})
	cfg.After = 0
	r, err = processor.Archive(t.Context(), cfg)
	require.NoError(t, err)
	assert.Equal(t, []int64{12, 0, 2, 10}, []int64{r.Objects, r.Recent, r.Unfinished, r.Archived})
	assert.Len(t, contents(t, d.in), 2)
}

// longDone is a store in which all was finished an hour before it was.
type longDone struct{ processor.Claims }

func (l longDone) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	entries, err := l.Claims.Inspect(ctx, keys)
	for i := range entries {
		entries[i].DoneAt = entries[i].DoneAt.Add(-time.Hour)
	}
	return entries, err
}

// A file that came under a name after that name was finished was never
// processed: it is left alone, in whichever way, also if its content is older.
func TestArchiveLeavesWhatWasNotProcessed(t *testing.T) {
	for _, way := range archiveWays {
		t.Run(way.name, func(t *testing.T) {
			if runtime.GOOS != "linux" {
				t.Skip("the system does not tell when a file took its name")
			}
			d := newDepot(t, 4)
			for key := range d.files {
				old := time.Now().Add(-2 * time.Hour)
				require.NoError(t, os.Chtimes(filepath.Join(d.in, key), old, old))
			}
			cfg := d.config()
			cfg.Claims = longDone{d.store}
			way.set(&cfg)
			r, err := processor.Archive(t.Context(), cfg)
			require.Error(t, err)
			assert.Equal(t, processor.StatusError, r.Status)
			assert.Equal(t, []int64{0, 4}, []int64{r.Archived, r.Changed})
			assert.Contains(t, r.Errors[0], "changed")
			assert.Equal(t, d.files, contents(t, d.in))
		})
	}
}

// Where versions are claimed it is the version that was processed that goes, and
// no other.
func TestArchiveOfVersions(t *testing.T) {
	d := newDepot(t, 0+1)
	stat, err := dir.Open(d.in, dir.Config{Stat: true})
	require.NoError(t, err)
	t.Cleanup(func() { stat.Close() })
	d.cfg.Source, d.cfg.ClaimVersion, d.cfg.Claimer = stat, true, memory.New()
	d.store = d.cfg.Claimer.(*memory.Store)
	d.put("1.json", `{"id":"v1"}`)
	d.drainedNow()
	d.messages = len(d.out.Messages())
	cfg := d.config()
	cfg.Source, cfg.ClaimVersion = stat, true
	var once atomic.Bool
	cfg.Source = &hooked{Source: stat, stat: func(key string) {
		if key == "1.json" && once.CompareAndSwap(false, true) { // after it was listed
			d.put("1.json", `{"id":"version 2"}`)
		}
	}}
	r, err := processor.Archive(t.Context(), cfg)
	require.Error(t, err)
	assert.Equal(t, []int64{1, 1}, []int64{r.Archived, r.Changed})
	assert.Equal(t, map[string]string{"1.json": `{"id":"version 2"}`}, contents(t, d.in))
	cfg.Source = stat
	r, err = processor.Archive(t.Context(), cfg)
	require.NoError(t, err)
	assert.Equal(t, []int64{0, 1}, []int64{r.Archived, r.Unfinished})
}

// hooked is a source that can be interfered with before each of its calls.
type hooked struct {
	source.Source
	stat   func(key string)
	remove func()
}

func (h *hooked) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	if h.stat != nil {
		h.stat(key)
	}
	return noMove{h.Source}.Stat(ctx, key)
}

func (h *hooked) Remove(ctx context.Context, objects []source.Object) []error {
	if h.remove != nil {
		h.remove()
	}
	return noMove{h.Source}.Remove(ctx, objects)
}

// A file that vanishes, or changes between its copy and its removal, costs
// nothing.
func TestArchiveOfFilesThatComeAndGo(t *testing.T) {
	d := newDepot(t, 2)
	cfg := d.config()
	cfg.Source = &hooked{Source: d.dir, stat: func(key string) {
		_ = os.Remove(filepath.Join(d.in, "0.json")) // the second time it is gone already
	}, remove: func() { d.put("day/hour/1.json", "something else") }}
	r, err := processor.Archive(t.Context(), cfg)
	require.Error(t, err)
	assert.Equal(t, []int64{0, 1, 1}, []int64{r.Archived, r.Vanished, r.Changed})
	assert.Equal(t, map[string]string{"day/hour/1.json": "something else"}, contents(t, d.in))
	d.sentOnce()
}

// What is in the way is never replaced; the same content counts as the copy.
func TestArchiveReplacesNothing(t *testing.T) {
	for _, way := range archiveWays[:2] {
		t.Run(way.name, func(t *testing.T) {
			d := newDepot(t, 4)
			require.NoError(t, os.MkdirAll(d.to, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(d.to, "0.json"), []byte("something else"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(d.to, "2.json"), []byte(d.files["2.json"]), 0o600))
			cfg := d.config()
			way.set(&cfg)
			r, err := processor.Archive(t.Context(), cfg)
			require.Error(t, err)
			assert.Equal(t, []int64{3, 1}, []int64{r.Archived, r.Collided})
			assert.Equal(t, map[string]string{"0.json": d.files["0.json"]}, contents(t, d.in))
			there := contents(t, d.to)
			assert.Equal(t, "something else", there["0.json"])
			assert.Equal(t, d.files["2.json"], there["2.json"])
			d.sentOnce()
		})
	}
}

// An archive that cannot be written to leaves everything where it is.
func TestArchiveThatCannotBeWritten(t *testing.T) {
	for _, way := range archiveWays[:2] {
		t.Run(way.name, func(t *testing.T) {
			d := newDepot(t, 3)
			require.NoError(t, os.MkdirAll(filepath.Dir(d.to), 0o700))
			require.NoError(t, os.WriteFile(d.to, nil, 0o600)) // a file where the folder is to be
			cfg := d.config()
			way.set(&cfg)
			r, err := processor.Archive(t.Context(), cfg)
			require.Error(t, err)
			assert.Equal(t, []int64{0, 3}, []int64{r.Archived, r.Failed})
			assert.Equal(t, d.files, contents(t, d.in))
			require.NoError(t, os.Remove(d.to))
			_, err = processor.Archive(t.Context(), d.config())
			require.NoError(t, err)
			d.archived(false)
		})
	}
}

// One archiver at a time; the other one says so.
func TestArchiversSideBySide(t *testing.T) {
	d := newDepot(t, 3)
	cfg := d.config()
	var inner processor.ArchiveReport
	var once sync.Once
	cfg.Source = &hooked{Source: d.dir, stat: func(string) {
		once.Do(func() {
			var err error
			inner, err = processor.Archive(t.Context(), d.config())
			assert.NoError(t, err)
		})
	}}
	r, err := processor.Archive(t.Context(), cfg)
	require.NoError(t, err)
	assert.True(t, inner.Busy)
	assert.Zero(t, inner.Objects)
	assert.False(t, r.Busy)
	d.archived(false)
}

// A deadline stops the work, and the next one goes on.
func TestArchiveStopsInTime(t *testing.T) {
	d := newDepot(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := d.config()
	cfg.Block = 5
	var looks atomic.Int32
	cfg.Source = &hooked{Source: d.dir, stat: func(string) {
		if looks.Add(1) == 17 { // each object is looked at when it is chosen, before and after
			cancel()
		}
	}}
	r, err := processor.Archive(ctx, cfg)
	require.NoError(t, err)
	assert.Equal(t, processor.StatusStopped, r.Status)
	assert.EqualValues(t, 5, r.Archived)
	_, err = processor.Archive(t.Context(), d.config())
	require.NoError(t, err)
	d.archived(false)
}

// mortal counts the calls of an archiver to the outside. At one of them it dies:
// that call takes effect or not, and nothing does any more.
type mortal struct {
	mu     sync.Mutex
	left   int
	effect bool // of the last call
	dead   bool
	lease  claim.Lease // that the archiver had
}

var errDead = errors.New("killed")

// call makes one call, if it is still alive.
func (m *mortal) call(op func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDead
	}
	if m.left--; m.left > 0 {
		op()
		return nil
	}
	m.dead = true
	if m.effect {
		op()
	}
	return errDead
}

// kill makes that nothing takes effect any more.
func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

// mortalClaims is a store as an archiver that dies uses it.
type mortalClaims struct {
	processor.Claims
	*mortal
}

func (m mortalClaims) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) (r []claim.Result, err error) {
	dead := m.call(func() {
		if r, err = m.Claims.Claim(ctx, owner, nonce, keys, ttl); err == nil {
			m.lease = r[0].Lease
		}
	})
	return r, errors.Join(dead, err)
}

func (m mortalClaims) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) (err error) {
	dead := m.call(func() { err = m.Claims.Extend(ctx, leases, ttl) })
	if dead != nil {
		return dead
	}
	return err
}

func (m mortalClaims) Release(ctx context.Context, returns []claim.Return) (err error) {
	dead := m.call(func() { err = m.Claims.Release(ctx, returns) })
	if dead != nil {
		return dead
	}
	return err
}

func (m mortalClaims) Forget(ctx context.Context, keys []string) (err error) {
	dead := m.call(func() { err = m.Claims.Forget(ctx, keys) })
	return errors.Join(dead, err)
}

// mortalSource is a source as an archiver that dies uses it: one call for each
// object.
type mortalSource struct {
	source.Source
	*mortal
}

func (m mortalSource) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return m.Source.Objects(ctx)
}

func (m mortalSource) Open(ctx context.Context, o source.Object, off, n int64) (r io.ReadCloser, found source.Object, err error) {
	dead := m.call(func() { r, found, err = m.Source.Open(ctx, o, off, n) })
	if dead != nil && r != nil {
		r.Close()
	}
	return r, found, errors.Join(dead, err)
}

func (m mortalSource) Stat(ctx context.Context, key string) (o source.Object, since time.Time, err error) {
	dead := m.call(func() { o, since, err = noMove{m.Source}.Stat(ctx, key) })
	return o, since, errors.Join(dead, err)
}

func (m mortalSource) Remove(ctx context.Context, objects []source.Object) []error {
	return m.each(objects, func(one []source.Object) []error { return noMove{m.Source}.Remove(ctx, one) })
}

// each makes a call for each object.
func (m mortalSource) each(objects []source.Object, op func([]source.Object) []error) []error {
	errs := make([]error, len(objects))
	for i := range objects {
		if dead := m.call(func() { errs[i] = op(objects[i : i+1])[0] }); dead != nil {
			errs[i] = dead
		}
	}
	return errs
}

// mortalMover is one that can move.
type mortalMover struct{ mortalSource }

func (m mortalMover) Move(ctx context.Context, objects []source.Object, to string) []error {
	return m.each(objects, func(one []source.Object) []error { return m.Source.(source.Mover).Move(ctx, one, to) })
}

// Killed at any step, before or after it took effect, the next archiver makes
// everything good: all is in its place, whole, and forgotten, and nothing is
// processed again, neither in between nor afterwards.
func TestArchiverKilledAtEachStep(t *testing.T) {
	for _, way := range archiveWays {
		for _, effect := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, effect %v", way.name, effect), func(t *testing.T) {
				if testing.Short() && way.name == "copy" {
					t.Skip("it takes some seconds on a disk that syncs")
				}
				step, left := sized(1, 3), 1 // the call that is its last
				if effect {
					left += step / 2
				}
				for alive := false; !alive; left += step {
					d := newDepot(t, 3)
					m := &mortal{left: left, effect: effect}
					cfg := d.config()
					cfg.Block, cfg.Lease, cfg.Concurrency = 2, time.Hour, 1
					mortals := mortalSource{d.dir, m}
					if cfg.Source = (mortalMover{mortals}); way.name == "copy" {
						cfg.Source = mortals
					}
					cfg.Claims = mortalClaims{d.store, m}
					cfg.Delete = way.name == "delete"
					if cfg.Delete {
						cfg.To = ""
					}
					_, err := processor.Archive(t.Context(), cfg)
					alive = !m.dead
					require.Equal(t, alive, err == nil, "%v", err)
					d.sentOnce()
					d.expire(m.lease)
					cfg.Source, cfg.Claims = d.dir, d.store
					d.put("late.json", `{"id":"late"}`) // on an empty source's word nothing is forgotten
					for range 2 {
						r, err := processor.Archive(t.Context(), cfg)
						require.NoError(t, err)
						require.False(t, r.Busy)
						d.drainedNow()
					}
					d.messages++
					d.archived(cfg.Delete)
				}
				assert.Greater(t, left, 10)
			})
		}
	}
}

// expire lets the lease of an archiver that died come to its end, which takes an
// hour otherwise.
func (d *depot) expire(lease claim.Lease) {
	d.t.Helper()
	if lease.Key == "" {
		return
	}
	entries, err := d.store.Inspect(d.t.Context(), []string{lease.Key})
	require.NoError(d.t, err)
	if entries[0].State == claim.Processing {
		lease.Progress = entries[0].Progress
		require.NoError(d.t, d.store.Release(d.t.Context(), []claim.Return{{Lease: lease, Counted: true}}))
	}
}

func TestArchiveNamesEveryMistake(t *testing.T) {
	_, err := processor.Archive(t.Context(), processor.ArchiveConfig{
		Source: newScene(t).src, Delete: true, To: "x", After: -1, Lease: 1, Block: -1, Concurrency: -1,
	})
	for _, field := range []string{"Source: ", "Claims: ", "To: ", "After: ", "Lease: ", "Block: ", "Concurrency: "} {
		require.ErrorContains(t, err, field)
	}
	d := newDepot(t, 1)
	for _, to := range []string{"", "mem://localhost/x", "gopher://x", "/x/$TimePath", d.in, d.in + "/archive"} {
		cfg := d.config()
		cfg.To = to
		_, err := processor.Archive(t.Context(), cfg)
		require.ErrorContains(t, err, "To: ", to)
	}
}
