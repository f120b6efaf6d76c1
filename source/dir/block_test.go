package dir

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// A block of files is looked at as each of them is, in whatever order they come.
func TestStatBlock(t *testing.T) {
	s, folder := removable(t, "top", "a/1", "a/2", "a/b/3", "c/4")
	require.NoError(t, os.Symlink("1", filepath.Join(folder, "a/link")))
	require.NoError(t, os.Symlink("a", filepath.Join(folder, "folder")))
	keys := []string{"a/1", "a/none", "none/1", "a/2", "top", "a/b/3", "a/link", "folder/1", "a/b", "../in/top", "c/4", "top/1", "a/1"}
	seen := s.StatBlock(t.Context(), keys)
	require.Len(t, seen, len(keys))
	for i, key := range keys {
		o, since, err := s.Stat(t.Context(), key)
		assert.Equal(t, source.Seen{Object: o, Since: since, Err: err}, seen[i], key)
	}
	assert.Empty(t, s.StatBlock(t.Context(), nil))
}

// Of a block those files are removed that still are what was seen: one whose
// content is another is not, though size and time of modification are the same.
func TestRemoveBlock(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell when a file took its name")
	}
	s, folder := removable(t, "a/1", "a/2", "a/3", "b/4", "b/5", "b/far")
	require.NoError(t, os.Symlink("far", filepath.Join(folder, "b/link")))
	seen := s.StatBlock(t.Context(), []string{"a/1", "a/2", "a/3", "b/4", "b/5", "b/link"})
	time.Sleep(20 * time.Millisecond) // times of files go by ticks of the kernel
	for _, key := range []string{"a/2", "b/far"} {
		name := filepath.Join(folder, key)
		st, err := os.Stat(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, make([]byte, st.Size()), 0o600))
		require.NoError(t, os.Chtimes(name, st.ModTime(), st.ModTime()))
	}
	require.NoError(t, os.Remove(filepath.Join(folder, "b/4")))
	errs := s.RemoveBlock(t.Context(), seen)
	for i, want := range []error{nil, source.ErrChanged, nil, os.ErrNotExist, nil, source.ErrChanged} {
		assert.ErrorIs(t, errs[i], want, seen[i].Key)
		_, err := os.Lstat(filepath.Join(folder, seen[i].Key))
		assert.Equal(t, want == nil || want == os.ErrNotExist, os.IsNotExist(err), seen[i].Key)
	}
}
