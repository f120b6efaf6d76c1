package dir_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

// observer lists what Changes tell.
type observer struct {
	t testing.TB
	source.Changes
	seen []string // every key that was listed, as often as it was
}

// watch begins to observe s, and takes what is there.
func watch(t testing.TB, s *dir.Source) *observer {
	c, err := s.Watch(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	o := &observer{t: t, Changes: c}
	o.list()
	return o
}

// list lists what there is to list, and returns the keys.
func (o *observer) list() (keys []string) {
	for object, err := range o.Objects(o.t.Context(), false) {
		require.NoError(o.t, err)
		keys = append(keys, object.Key)
	}
	o.seen = append(o.seen, keys...)
	return keys
}

// wait lists until all the keys were listed.
func (o *observer) wait(keys ...string) {
	o.t.Helper()
	missing := slices.Clone(keys)
	for end := time.Now().Add(30 * time.Second); ; o.Wait(o.t.Context(), 5*time.Millisecond) {
		for _, key := range o.list() {
			missing = slices.DeleteFunc(missing, func(m string) bool { return m == key })
		}
		if len(missing) == 0 {
			return
		}
		require.True(o.t, time.Now().Before(end), "not listed: %q", missing)
	}
}

// place makes a file elsewhere and renames it into place.
func place(t testing.TB, root, key string) {
	t.Helper()
	name, hidden := filepath.Join(root, key), filepath.Join(root, "."+filepath.Base(key))
	require.NoError(t, os.WriteFile(hidden, []byte("{}"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.Rename(hidden, name))
}

// mark places a file and waits until it is listed: what happened before has
// been taken note of then.
func (o *observer) mark(root string) {
	o.t.Helper()
	f, err := os.CreateTemp(root, "mark-*.tmp")
	require.NoError(o.t, err)
	require.NoError(o.t, f.Close())
	name := f.Name()[:len(f.Name())-len(".tmp")]
	require.NoError(o.t, os.Rename(f.Name(), name))
	o.wait(filepath.Base(name))
}

func TestWatchOfAClosedDirectory(t *testing.T) {
	s, err := dir.Open(t.TempDir(), dir.Config{})
	require.NoError(t, err)
	c, err := s.Watch(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, err := range c.Objects(t.Context(), false) {
		require.ErrorIs(t, err, os.ErrClosed)
	}
	require.NoError(t, c.Close())
	_, err = s.Watch(t.Context())
	require.ErrorIs(t, err, os.ErrClosed)
}

// TestPollWaitsForFilesThatGrow, where nobody knows who writes to them, and not
// longer than they do. Others are not held up.
func TestPollWaitsForFilesThatGrow(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const settle = 5 * time.Second
		s := open(t, root, dir.Config{Settle: settle})
		// write writes now, by a clock that is ahead of ours by that much.
		write := func(name, text string, ahead time.Duration) {
			f, err := os.OpenFile(filepath.Join(root, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			require.NoError(t, err)
			_, err = f.WriteString(text)
			require.NoError(t, errors.Join(err, f.Close()))
			require.NoError(t, os.Chtimes(f.Name(), time.Time{}, time.Now().Add(ahead)))
		}
		listed := map[string]time.Duration{} // since the beginning
		begun := time.Now()
		c := s.PollBlindly()
		write("old", "x", -time.Minute)
		write("young", "x", 0)
		for i := range 60 {
			if i < 20 {
				write("grows", "x", 0)
				write("grows ahead", "x", time.Hour)
			}
			if i == 30 {
				write("renamed into place.tmp", "x", -settle)
				require.NoError(t, os.Rename(filepath.Join(root, "renamed into place.tmp"), filepath.Join(root, "renamed into place")))
			}
			for o, err := range c.Objects(t.Context(), false) {
				require.NoError(t, err)
				require.NotContains(t, listed, o.Key, "listed twice")
				listed[o.Key] = time.Since(begun)
			}
			c.Wait(t.Context(), time.Second)
		}
		require.Equal(t, map[string]time.Duration{
			"old": 0, "young": settle, "renamed into place": 30 * time.Second,
			"grows": 19*time.Second + settle, "grows ahead": 19*time.Second + settle,
		}, listed)
	})
}

// TestSettleCanBeOff: files are complete as soon as they are there.
func TestSettleCanBeOff(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "1"), []byte("{}"), 0o600))
	s := open(t, root, dir.Config{Settle: -1})
	for _, c := range []source.Changes{s.PollBlindly(), watch(t, s)} {
		o := &observer{t: t, Changes: c}
		place(t, root, "2")
		o.wait("2")
	}
}
