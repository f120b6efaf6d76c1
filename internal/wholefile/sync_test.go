package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watched returns a folder base/in whose syncs are told to note.
func watched(t *testing.T, base string, note func(path string) error) *Folder {
	f, err := In(filepath.Join(base, "in"))
	require.NoError(t, err)
	f.sync = func(file *os.File) error { return note(file.Name()) }
	return f
}

// put creates a/b/file with one line.
func put(t *testing.T, f *Folder) error {
	file, err := f.Create("a/b/file")
	if err != nil {
		return err
	}
	_, err = file.Write([]byte("line\n"))
	require.NoError(t, err)
	return file.Commit()
}

func TestTheFileIsDurableBeforeItIsVisibleAndItsFoldersAfterwards(t *testing.T) {
	base := t.TempDir()
	final := filepath.Join(base, "in/a/b/file")
	var hidden, before, after []string
	f := watched(t, base, func(path string) error {
		text, err := os.ReadFile(path)
		switch {
		case strings.HasSuffix(path, ".tmp"):
			assert.NoError(t, err)
			assert.Equal(t, "line\n", string(text), "synced before it was written")
			assert.NoFileExists(t, final, "visible before it was synced")
			hidden = append(hidden, path)
		case len(hidden) == 0:
			before = append(before, path)
		default:
			assert.FileExists(t, final, "the folder was synced before the name was there")
			after = append(after, path)
		}
		return nil
	})
	require.NoError(t, put(t, f))
	assert.Len(t, hidden, 1)
	assert.Contains(t, before, base, "the folder itself is a new name in its parent")
	assert.Contains(t, before, filepath.Dir(base), "which may be new too")
	assert.Equal(t, []string{filepath.Join(base, "in/a/b"), filepath.Join(base, "in/a"), filepath.Join(base, "in")}, clean(after))
}

func clean(paths []string) []string {
	for i := range paths {
		paths[i] = filepath.Clean(paths[i])
	}
	return paths
}

func TestWhatCannotBeSyncedIsNotCommitted(t *testing.T) {
	full := errors.New("disk is full")
	for _, failing := range []string{".tmp", "in/a/b", "in/a", "in"} {
		base := t.TempDir()
		f := watched(t, base, func(path string) error {
			if strings.HasSuffix(filepath.Clean(path), failing) {
				return full
			}
			return nil
		})
		assert.ErrorIs(t, put(t, f), full, "sync of %s failed", failing)
		left, err := filepath.Glob(filepath.Join(base, "in/a/b/*"))
		require.NoError(t, err)
		hidden, err := filepath.Glob(filepath.Join(base, "in/a/b/.*"))
		require.NoError(t, err)
		assert.Empty(t, append(left, hidden...), "sync of %s failed", failing)
	}
}

func TestAParentThatCannotBeSyncedIsAskedAgain(t *testing.T) {
	base := t.TempDir()
	away := errors.New("away")
	result := away
	f := watched(t, base, func(path string) error {
		if path == base {
			return result
		}
		return nil
	})
	assert.ErrorIs(t, put(t, f), away)
	assert.ErrorIs(t, put(t, f), away)
	result = nil
	assert.NoError(t, put(t, f))
}

func TestAFileSystemThatCannotSyncFoldersIsUsedAllTheSame(t *testing.T) {
	f := watched(t, t.TempDir(), func(path string) error {
		if strings.HasSuffix(path, ".tmp") {
			return nil
		}
		return &os.PathError{Op: "sync", Path: path, Err: syscall.EINVAL}
	})
	assert.NoError(t, put(t, f))
}
