package dir_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

// notices reports whether the kernel tells s what appears.
func notices(t testing.TB, s *dir.Source) bool {
	c, err := s.Watch(t.Context())
	require.NoError(t, err)
	defer c.Close()
	return dir.IsLive(c)
}

// localFolder is a folder on a file system that the kernel tells of: that of
// t.TempDir may be an overlay.
func localFolder(t testing.TB) string {
	for _, parent := range []string{t.TempDir(), "/dev/shm"} {
		root, err := os.MkdirTemp(parent, "unspool-test-*") //nolint:usetesting // see above
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(root) })
		if notices(t, open(t, root, dir.Config{})) {
			return root
		}
	}
	t.Skip("no file system here is known to be local")
	return ""
}

// everyWay runs a test of Watch in the ways it works.
func everyWay(t *testing.T, cfg dir.Config, test func(t *testing.T, s *dir.Source, root string)) {
	for name, change := range map[string]func(cfg *dir.Config, s *dir.Source){
		"told":            func(*dir.Config, *dir.Source) {},
		"without openat2": func(_ *dir.Config, s *dir.Source) { s.WithoutOpenat2() },
		"polled":          func(cfg *dir.Config, _ *dir.Source) { cfg.Poll = true },
		"beyond a limit":  func(_ *dir.Config, s *dir.Source) { s.SetMaxWatched(1) },
		"in name order":   func(cfg *dir.Config, _ *dir.Source) { cfg.Order = dir.NameOrder },
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(localFolder(t), "root")
			require.NoError(t, os.Mkdir(root, 0o700))
			cfg := cfg
			change(&cfg, open(t, root, cfg))
			s := open(t, root, cfg)
			change(&cfg, s)
			test(t, s, root)
		})
	}
}

// TestWatchSeesHoweverFilesCome: each way in which feeders put files there.
func TestWatchSeesHoweverFilesCome(t *testing.T) {
	everyWay(t, dir.Config{Settle: time.Hour}, func(t *testing.T, s *dir.Source, root string) {
		at := func(name string) string { return filepath.Join(root, name) }
		outside := filepath.Dir(root)
		write := func(name string) { require.NoError(t, os.WriteFile(name, []byte("{}"), 0o600)) }
		require.NoError(t, os.MkdirAll(at("old/folder"), 0o700))
		require.NoError(t, os.MkdirAll(at(".hidden"), 0o700))
		o := watch(t, s)
		for _, c := range []struct {
			name string
			do   func()
			want []string
		}{
			{"closed after writing", func() { write(at("1")) }, []string{"1"}},
			{"renamed in its folder", func() { write(at("2.tmp")); require.NoError(t, os.Rename(at("2.tmp"), at("2"))) }, []string{"2"}},
			{"renamed from a hidden folder", func() { write(at(".hidden/3")); require.NoError(t, os.Rename(at(".hidden/3"), at("old/folder/3"))) }, []string{"old/folder/3"}},
			{"moved in", func() { write(outside + "/4"); require.NoError(t, os.Rename(outside+"/4", at("old/4"))) }, []string{"old/4"}},
			{"linked, and the other name removed", func() {
				write(at("5.tmp"))
				require.NoError(t, os.Link(at("5.tmp"), at("5")))
				require.NoError(t, os.Remove(at("5.tmp")))
			}, []string{"5"}},
			{"linked", func() { write(outside + "/6"); require.NoError(t, os.Link(outside+"/6", at("old/6"))) }, []string{"old/6"}},
			{"linked without ever having had another name", func() {
				fd, err := unix.Open(at("old"), unix.O_TMPFILE|unix.O_WRONLY, 0o600)
				require.NoError(t, err)
				require.NoError(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, at("old/7"), unix.AT_SYMLINK_FOLLOW))
				require.NoError(t, unix.Close(fd))
			}, []string{"old/7"}},
			{"a symbolic link", func() { require.NoError(t, os.Symlink("1", at("8"))) }, []string{"8"}},
			{"in a new folder", func() { require.NoError(t, os.Mkdir(at("new"), 0o700)); write(at("new/9")) }, []string{"new/9"}},
			{"in new folders", func() { require.NoError(t, os.MkdirAll(at("new/a/b/c"), 0o700)); write(at("new/a/b/c/10")) }, []string{"new/a/b/c/10"}},
			{"in a folder that is renamed into place", func() {
				require.NoError(t, os.MkdirAll(at("11.tmp/x"), 0o700))
				write(at("11.tmp/x/11"))
				require.NoError(t, os.Rename(at("11.tmp"), at("11")))
			}, []string{"11/x/11"}},
			{"in a folder that is moved in, and later", func() {
				require.NoError(t, os.MkdirAll(outside+"/12", 0o700))
				write(outside + "/12/12")
				require.NoError(t, os.Rename(outside+"/12", at("old/12")))
				write(at("old/12/13"))
			}, []string{"old/12/12", "old/12/13"}},
			{"an empty file", func() { require.NoError(t, os.WriteFile(at("14"), nil, 0o600)) }, []string{"14"}},
		} {
			c.do()
			t.Log(c.name)
			o.wait(c.want...)
		}
		assert.Subset(t, o.seen, []string{"1"})
		for _, key := range o.seen {
			assert.NotContains(t, key, "tmp")
			assert.NotContains(t, key, "hidden")
		}
	})
}

// TestWatchFollowsFolders that are renamed, moved out and in again, and replaced
// by links.
func TestWatchFollowsFolders(t *testing.T) {
	everyWay(t, dir.Config{}, func(t *testing.T, s *dir.Source, root string) {
		at := func(name string) string { return filepath.Join(root, name) }
		outside := filepath.Dir(root)
		place(t, root, "a/in/1")
		place(t, root, "b/1")
		o := watch(t, s)
		require.ElementsMatch(t, []string{"a/in/1", "b/1"}, o.seen)

		require.NoError(t, os.Rename(at("a"), at("c")))
		o.wait("c/in/1")
		place(t, root, "c/in/2")
		o.wait("c/in/2")

		require.NoError(t, os.Rename(at("c"), outside+"/c"))
		place(t, outside, "c/in/unseen")
		o.mark(root)
		require.NoError(t, os.Rename(outside+"/c", at("d")))
		o.wait("d/in/1", "d/in/2", "d/in/unseen")

		// What was told of a folder is not looked for by way of a link in its place.
		place(t, root, "b/linked")
		require.NoError(t, os.Rename(at("b"), at("e")))
		require.NoError(t, os.Symlink("e", at("b")))
		o.wait("e/1", "e/linked")
		o.mark(root)
		require.NoError(t, os.Remove(at("b")))
		require.NoError(t, os.Rename(at("e"), at("b")))
		o.wait("b/1")
		linked := slices.Index(o.seen, "b/linked")
		if after := slices.Index(o.seen, "e/linked"); dir.IsLive(o.Changes) {
			assert.Greater(t, linked, after, "b/linked was listed when it was e/linked")
		}

		require.NoError(t, os.Rename(at("b"), at(".b")))
		require.NoError(t, os.Symlink("d", at("b")))
		place(t, root, "d/3")
		require.NoError(t, os.Rename(at("d/in"), at("d/out")))
		o.wait("d/3", "d/out/1")
		place(t, root, ".b/2")
		o.mark(root)
		for _, key := range o.seen {
			assert.NotContains(t, []string{"c/in/unseen", "b/3", "b/2", ".b/2", "a/in/2"}, key)
		}
		if dir.IsLive(o.Changes) {
			assert.Equal(t, 3, watches(t, o.Changes), "the directory, d and d/out are observed")
		}
	})
}

// watches counts the folders that the kernel observes.
func watches(t *testing.T, c source.Changes) int {
	about, err := os.ReadFile(fmt.Sprint("/proc/self/fdinfo/", dir.Inotify(c)))
	require.NoError(t, err)
	return strings.Count(string(about), "inotify ")
}

// TestWatchPassesOver what a listing passes over.
func TestWatchPassesOver(t *testing.T) {
	everyWay(t, dir.Config{Ignore: []string{"skip*"}}, func(t *testing.T, s *dir.Source, root string) {
		at := func(name string) string { return filepath.Join(root, name) }
		require.NoError(t, os.Mkdir(at("folder"), 0o700))
		o := watch(t, s)
		for _, name := range []string{"skipped", "skips/1", ".hidden", ".git/1", "part.tmp", "folder/part.tmp", "folder/skip"} {
			write(t, root, name, "{}")
		}
		require.NoError(t, unix.Mkfifo(at("fifo"), 0o600))
		require.NoError(t, unix.Mkfifo(at("fifo.tmp"), 0o600))
		require.NoError(t, os.Rename(at("fifo.tmp"), at("folder/fifo")))
		socket, err := net.Listen("unix", at("socket"))
		require.NoError(t, err)
		defer socket.Close()
		require.NoError(t, os.Symlink("folder", at("link to a folder")))
		write(t, root, "gone", "{}")
		require.NoError(t, os.Remove(at("gone")))
		o.mark(root)
		o.mark(root)
		for _, key := range o.seen {
			assert.Contains(t, key, "mark-")
		}
	})
	t.Run("flat", func(t *testing.T) {
		root := localFolder(t)
		o := watch(t, open(t, root, dir.Config{Flat: true}))
		place(t, root, "folder/1")
		o.mark(root)
		assert.NotContains(t, o.seen, "folder/1")
	})
}

// TestWatchHoldsBackWhatIsWrittenTo, and only that.
func TestWatchHoldsBackWhatIsWrittenTo(t *testing.T) {
	everyWay(t, dir.Config{}, func(t *testing.T, s *dir.Source, root string) {
		create := func(name string) *os.File {
			f, err := os.Create(filepath.Join(root, name))
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
			return f
		}
		require.NoError(t, os.Mkdir(filepath.Join(root, "folder"), 0o700))
		before, nested := create("before"), create("folder/before")
		place(t, root, "complete")
		o := watch(t, s)
		require.Equal(t, []string{"complete"}, o.seen, "a file that is complete is taken however young it is")
		after := create("after")
		late := create("new.tmp")
		never := create("never closed")
		require.NoError(t, os.Mkdir(filepath.Join(root, "new"), 0o700))
		for i, f := range []*os.File{before, nested, after, late, never} {
			for range 3 {
				_, err := fmt.Fprintln(f, i)
				require.NoError(t, err)
				o.mark(root)
				require.False(t, wasSeen(o, "before", "folder/before", "after", "never closed"), o.seen)
			}
		}
		for f, key := range map[*os.File]string{before: "before", nested: "folder/before", after: "after"} {
			require.NoError(t, f.Close())
			o.wait(key)
		}
		require.NoError(t, late.Close())
		require.NoError(t, os.Rename(filepath.Join(root, "new.tmp"), filepath.Join(root, "new/1")))
		o.wait("new/1")
		assert.NotContains(t, o.seen, "never closed")
	})
}

// wasSeen reports whether any of keys was listed.
func wasSeen(o *observer, keys ...string) bool {
	return slices.ContainsFunc(o.seen, func(key string) bool { return slices.Contains(keys, key) })
}

// TestWatchWithMinAge: a file is told when it is old enough, without another
// event.
func TestWatchWithMinAge(t *testing.T) {
	everyWay(t, dir.Config{MinAge: 100 * time.Millisecond}, func(t *testing.T, s *dir.Source, root string) {
		o := watch(t, s)
		begun := time.Now()
		place(t, root, "1")
		o.wait("1")
		// File systems keep times in steps of some milliseconds.
		assert.GreaterOrEqual(t, time.Since(begun), 80*time.Millisecond)

		if dir.IsLive(o.Changes) { // Wait knows when
			place(t, root, "2")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			for !wasSeen(o, "2") && ctx.Err() == nil {
				o.Wait(ctx, time.Hour)
				o.list()
			}
			assert.NoError(t, ctx.Err())
		}
	})
}

// TestWatchMissesNothingWhenTooMuchComes: more than the kernel keeps, and more
// than is kept here, while nobody takes note.
func TestWatchMissesNothingWhenTooMuchComes(t *testing.T) {
	root := localFolder(t)
	const files = 500
	for i := range 10 {
		require.NoError(t, os.Mkdir(filepath.Join(root, fmt.Sprint("folder-", i)), 0o700))
	}
	o := watch(t, open(t, root, dir.Config{}))
	dir.SetMaxArrivals(o.Changes, 100*100)
	var keys []string
	for i := range files {
		keys = append(keys, fmt.Sprintf("folder-%d/%d", i%10, i))
		place(t, root, keys[i])
	}
	o.wait(keys...)
	place(t, root, "folder-1/last")
	o.wait("folder-1/last")
	for end := time.Now().Add(30 * time.Second); len(o.list()) > 0; o.Wait(t.Context(), time.Millisecond) {
		require.True(t, time.Now().Before(end), "everything is listed again and again")
	}

	if testing.Short() {
		return
	}
	queue, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	require.NoError(t, err)
	var most int
	_, err = fmt.Sscan(string(queue), &most)
	require.NoError(t, err)
	if most > 1<<16 {
		t.Skipf("the kernel keeps %d events: too many to overflow that", most)
	}
	release := dir.Stall(o.Changes)
	// One event for each renaming from here to there and back; and a new folder
	// that is not told of.
	for i := range most + 100 {
		from, to := filepath.Join(root, "x.tmp"), filepath.Join(root, fmt.Sprint("x", i%2))
		if i == 0 {
			require.NoError(t, os.WriteFile(from, nil, 0o600))
		} else {
			from = filepath.Join(root, fmt.Sprint("x", (i+1)%2))
		}
		require.NoError(t, os.Rename(from, to))
	}
	place(t, root, "missed/1")
	release()
	o.wait("missed/1", fmt.Sprint("x", (most+99)%2))
	place(t, root, "missed/2")
	o.wait("missed/2")
	assert.True(t, dir.IsLive(o.Changes))
}

// TestWatchOfWhatWasUnmounted lists everything again.
func TestWatchOfWhatWasUnmounted(t *testing.T) {
	root := localFolder(t)
	place(t, root, "1")
	o := watch(t, open(t, root, dir.Config{}))
	dir.Unmounted(o.Changes)
	o.wait("1")
	place(t, root, "2")
	o.wait("2")
}

// TestWatchFallsBackToPolling where there are more folders than can be observed,
// at once and later.
func TestWatchFallsBackToPolling(t *testing.T) {
	root := localFolder(t)
	place(t, root, "a/1")
	s := open(t, root, dir.Config{})
	s.SetMaxWatched(3)
	o := watch(t, s)
	place(t, root, "b/1")
	o.wait("b/1")
	assert.True(t, dir.IsLive(o.Changes))
	place(t, root, "c/1")
	place(t, root, "d/1")
	o.wait("c/1", "d/1")
	place(t, root, "e/1")
	place(t, root, "a/2")
	o.wait("e/1", "a/2")
	assert.False(t, dir.IsLive(o.Changes))
}

// TestWatchTellsOfAFolderOnce: one that cannot be listed does not make every
// listing fail.
func TestWatchTellsOfAFolderOnce(t *testing.T) {
	everyWay(t, dir.Config{MaxDepth: 1}, func(t *testing.T, s *dir.Source, root string) {
		place(t, root, "a/deep/1")
		c, err := s.Watch(t.Context())
		require.NoError(t, err)
		defer c.Close()
		failures := 0
		for all := range 10 {
			for _, err := range c.Objects(t.Context(), all%2 == 0) {
				if err != nil {
					failures++
					assert.ErrorContains(t, err, `"a/deep"`)
				}
			}
		}
		assert.Equal(t, 1, failures)
		o := &observer{t: t, Changes: c}
		place(t, root, "a/2")
		o.wait("a/2")
	})
}

// TestWatchOfADeletedDirectoryIsFatal, as a listing is.
func TestWatchOfADeletedDirectoryIsFatal(t *testing.T) {
	everyWay(t, dir.Config{}, func(t *testing.T, s *dir.Source, root string) {
		place(t, root, "a/1")
		o := watch(t, s)
		require.NoError(t, os.RemoveAll(root))
		require.NoError(t, os.Mkdir(root, 0o700))
		var failed error
		for range 2 { // files that have gone may be looked for first
			for _, failed = range o.Objects(t.Context(), false) {
			}
		}
		assert.ErrorIs(t, failed, fs.ErrNotExist)
		assert.Equal(t, fault.ClassFatal, fault.Of(failed))
	})
}

// TestWatchEndsWithClose, of whatever kind it is, and says so.
func TestWatchEndsWithClose(t *testing.T) {
	root := localFolder(t)
	before := openFiles(t)
	c, err := open(t, root, dir.Config{}).Watch(t.Context())
	require.NoError(t, err)
	require.True(t, dir.IsLive(c))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "closing twice")
	for _, err := range c.Objects(t.Context(), false) {
		assert.ErrorIs(t, err, fs.ErrClosed)
	}
	c.Wait(t.Context(), time.Hour) // does not wait for what cannot come
	assert.LessOrEqual(t, openFiles(t), before+2, "only the directory is open")
}

// FuzzWatchEvents: whatever a read of events gives, nothing breaks.
func FuzzWatchEvents(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00name\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\xff\xff\xff\xff"))
	root := localFolder(f)
	s := open(f, root, dir.Config{})
	f.Fuzz(func(t *testing.T, events []byte) {
		o := watch(t, s)
		if !dir.IsLive(o.Changes) {
			t.Skip("the kernel has no more queues to give")
		}
		dir.TakeEvents(o.Changes, events)
		o.list()
	})
}
