package dir_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source/dir"
)

// A folder that is passed over is not looked into, and asked about once by each
// listing, before it is read.
func TestSkippedFoldersAreNotListed(t *testing.T) {
	root := t.TempDir()
	for _, key := range []string{"a/x/1", "a/y/2", "b/3", "old/4", "a/old/5", "old/z/6"} {
		write(t, root, key, "{}")
	}
	var asked []string
	s := open(t, root, dir.Config{Order: dir.NameOrder, SkipFolder: func(folder string) bool {
		asked = append(asked, folder)
		return folder == "old" || folder == "a/y"
	}})
	for range 2 {
		asked = nil
		require.Equal(t, []string{"a/old/5", "a/x/1", "b/3"}, list(t, s))
		require.Equal(t, []string{"a", "a/old", "a/x", "a/y", "b", "old"}, asked)
	}
}

// What a Watch passes over it does not observe either, not even when it appears
// while it watches.
func TestSkippedFoldersAreNotWatched(t *testing.T) {
	for _, poll := range []bool{false, true} {
		root := t.TempDir()
		write(t, root, "old/1", "{}")
		write(t, root, "new/2", "{}")
		s := open(t, root, dir.Config{Poll: poll, Settle: -1, SkipFolder: func(folder string) bool {
			return strings.HasSuffix(folder, "old")
		}})
		o := watch(t, s)
		require.Equal(t, []string{"new/2"}, o.seen)
		place(t, root, "old/3")
		place(t, root, "new/old/4") // a new folder
		place(t, root, "new/more/5")
		o.wait("new/more/5")
		o.mark(root)
		for _, key := range o.seen {
			assert.NotContains(t, key, "old", "polled: %v", poll)
		}
	}
}

// past watches root by polling it. Folders whose path begins with "old" are past.
func past(t *testing.T, root string) *observer {
	s := open(t, root, dir.Config{Poll: true, Settle: -1, Order: dir.NameOrder, PastFolder: func(folder string) bool {
		return strings.HasPrefix(folder, "old")
	}})
	s.SetSettled(1 << 62) // the times of folders tell nothing
	return watch(t, s)
}

func (o *observer) all() (keys []string) {
	for object, err := range o.Objects(o.t.Context(), true) {
		require.NoError(o.t, err)
		keys = append(keys, object.Key)
	}
	return keys
}

// A folder whose time is over and that is empty is not polled, and a file that
// comes all the same is found when everything is listed.
func TestALateFileIsFoundWhenEverythingIsListed(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "old/11/21"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "old/11/22"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "new/11"), 0o700))
	o := past(t, root)
	o.list() // two more find the folders above empty, too
	o.list()
	for _, key := range []string{"old/11/21/late", "old/11/late", "old/late", "old/12/late", "new/11/soon", "new/soon"} {
		place(t, root, key)
	}
	require.Equal(t, []string{"new/11/soon", "new/soon"}, o.list())
	require.Empty(t, o.list())
	want := []string{"new/11/soon", "new/soon", "old/11/21/late", "old/11/late", "old/12/late", "old/late"}
	require.Equal(t, want, o.all())
	place(t, root, "old/11/21/later") // it is polled while something is in it
	require.Equal(t, []string{"old/11/21/later"}, o.list())

	require.NoError(t, os.RemoveAll(filepath.Join(root, "old/11/21")))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "old/11/21"), 0o700))
	require.Empty(t, o.list())
	place(t, root, "old/11/21/last")
	require.Empty(t, o.list(), "it was empty once more")
	require.Contains(t, o.all(), "old/11/21/last")
}

// A folder is not taken for empty that holds anything: a file that is passed over
// because it is not ready, a folder that is polled, one that cannot be listed.
func TestFoldersThatHoldAnythingArePolled(t *testing.T) {
	root := t.TempDir()
	write(t, root, "old/1/begun.tmp", "{}")
	write(t, root, "old/2/.hidden", "{}")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "old/3/.hidden"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "old/4"), 0o700))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(root, "old/4/link")))
	o := past(t, root)
	var want []string
	for i := range 5 {
		require.Empty(t, o.list())
		for _, folder := range []string{"1", "2", "4"} {
			key := "old/" + folder + "/" + string(rune('a'+i))
			place(t, root, key)
			want = append(want, key)
		}
		got := o.list()
		slices.Sort(got)
		slices.Sort(want)
		require.Equal(t, want, got)
		want = want[:0]
	}
}

// A listing that fails or is broken off says nothing about what it did not read.
func TestABrokenListingLeavesNothingOut(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a/1", "{}")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "old/1"), 0o700))
	s := open(t, root, dir.Config{Poll: true, Settle: -1, Order: dir.NameOrder, PastFolder: func(string) bool { return true }})
	s.SetSettled(1 << 62)
	c, err := s.Watch(t.Context())
	require.NoError(t, err)
	defer c.Close()
	for range c.Objects(t.Context(), true) {
		break // before old was read
	}
	place(t, root, "old/1/2")
	o := &observer{t: t, Changes: c}
	require.Equal(t, []string{"a/1", "old/1/2"}, o.list())
}
