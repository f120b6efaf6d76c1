package dir_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/dir"
)

// One folder is listed as it is in the whole: without what is below it, hidden or
// leads out.
func TestFolder(t *testing.T) {
	root := t.TempDir()
	for _, key := range []string{"a", "d/1", "d/2", "d/.hidden", "d/sub/3", "e/4"} {
		write(t, root, key, "x")
	}
	require.NoError(t, os.Symlink("..", filepath.Join(root, "d", "out")))
	for _, order := range []dir.Order{dir.FolderOrder, dir.NameOrder} {
		s := open(t, root, dir.Config{Order: order})
		for folder, want := range map[string][]string{
			"": {"a"}, "d": {"d/1", "d/2"}, "d/sub": {"d/sub/3"}, "none": nil,
		} {
			var got []string
			for o, err := range s.Folder(t.Context(), folder) {
				require.NoError(t, err, folder)
				got = append(got, o.Key)
			}
			slices.Sort(got)
			assert.Equal(t, want, got, folder)
		}
		for _, folder := range []string{"..", "d/..", "/", "d//sub", "a", "d/out"} {
			failed := false
			for _, err := range s.Folder(t.Context(), folder) {
				failed = failed || err != nil
			}
			assert.True(t, failed, folder)
		}
	}
	gone := t.TempDir()
	s := open(t, gone, dir.Config{})
	require.NoError(t, os.Remove(gone))
	for _, err := range s.Folder(t.Context(), "d") {
		assert.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
	}
}
