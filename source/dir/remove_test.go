package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// removable is a source with some files in it.
func removable(t *testing.T, files ...string) (s *Source, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "in")
	for _, name := range files {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
	}
	require.NoError(t, os.MkdirAll(folder, 0o700))
	s, err := Open(folder, Config{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s, folder
}

// stat is the object as it is now.
func stat(t *testing.T, s *Source, key string) source.Object {
	t.Helper()
	o, _, err := s.Stat(t.Context(), key)
	require.NoError(t, err)
	return o
}

func TestStat(t *testing.T) {
	s, folder := removable(t, "a/b")
	before := time.Now().Add(-time.Minute)
	o, since, err := s.Stat(t.Context(), "a/b")
	require.NoError(t, err)
	assert.Equal(t, "a/b", o.Key)
	assert.EqualValues(t, 3, o.Size)
	assert.True(t, since.After(before))
	for key, want := range map[string]error{"a/c": fs.ErrNotExist, "a": errNotRegular, "../in/a/b": errBadKey, "": errBadKey} {
		_, _, err := s.Stat(t.Context(), key)
		require.ErrorIs(t, err, want, key)
	}

	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(folder, "a/b"), old, old))
	o, since, err = s.Stat(t.Context(), "a/b")
	require.NoError(t, err)
	assert.True(t, o.ModTime.Equal(old))
	if runtime.GOOS == "linux" {
		assert.True(t, since.After(before), "its time was set back just now")
	}
}

// Only what is still the same is removed, and what is said of each object is true
// of that one.
func TestRemove(t *testing.T) {
	s, folder := removable(t, "same", "a/changed", "gone", "kept")
	objects := []source.Object{stat(t, s, "same"), stat(t, s, "a/changed"), stat(t, s, "gone"), {Key: "../in/kept", Size: -1}, {Key: "a", Size: -1}}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a/changed"), []byte("another"), 0o600))
	require.NoError(t, os.Remove(filepath.Join(folder, "gone")))
	errs := s.Remove(t.Context(), objects)
	require.Len(t, errs, 5)
	require.NoError(t, errs[0])
	for i, want := range map[int]error{1: source.ErrChanged, 2: fs.ErrNotExist, 3: errBadKey, 4: errNotRegular} {
		require.ErrorIs(t, errs[i], want)
		assert.ErrorContains(t, errs[i], objects[i].Key)
	}
	assert.NoFileExists(t, filepath.Join(folder, "same"))
	assert.FileExists(t, filepath.Join(folder, "a/changed"))
	assert.FileExists(t, filepath.Join(folder, "kept"))
	assert.Empty(t, s.Remove(t.Context(), nil))
}

// A link is removed, and what it leads to stays.
func TestRemoveOfALink(t *testing.T) {
	s, folder := removable(t, "file")
	require.NoError(t, os.Symlink("file", filepath.Join(folder, "link")))
	errs := s.Remove(t.Context(), []source.Object{stat(t, s, "link")})
	require.NoError(t, errs[0])
	assert.NoFileExists(t, filepath.Join(folder, "link"))
	assert.FileExists(t, filepath.Join(folder, "file"))
}

func TestMove(t *testing.T) {
	s, folder := removable(t, "same", "a/b/deep", "changed", "taken", "gone", "a/b/second")
	if runtime.GOOS != "linux" {
		assert.ErrorIs(t, s.Move(t.Context(), []source.Object{stat(t, s, "same")}, t.TempDir())[0], errors.ErrUnsupported)
		return
	}
	to := filepath.Join(filepath.Dir(folder), "not", "yet", "there")
	require.NoError(t, os.Symlink("same", filepath.Join(folder, "link")))
	var objects []source.Object
	for _, key := range []string{"same", "a/b/deep", "changed", "taken", "gone", "link", "a/b/second"} {
		objects = append(objects, stat(t, s, key))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "changed"), []byte("another"), 0o600))
	require.NoError(t, os.Remove(filepath.Join(folder, "gone")))
	require.NoError(t, os.MkdirAll(to, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(to, "taken"), []byte("before"), 0o600))

	// The link is looked at before what it leads to has gone.
	errs := s.Move(t.Context(), append([]source.Object{objects[5]}, objects[:5]...), "file://"+to)
	for i, want := range []error{errors.ErrUnsupported, nil, nil, source.ErrChanged, fs.ErrExist, fs.ErrNotExist} {
		require.ErrorIs(t, errs[i], want, i)
	}
	errs = s.Move(t.Context(), objects[6:], to)
	require.NoError(t, errs[0])
	for _, key := range []string{"same", "a/b/deep", "a/b/second"} {
		text, err := os.ReadFile(filepath.Join(to, key))
		require.NoError(t, err)
		assert.Equal(t, key, string(text))
		assert.NoFileExists(t, filepath.Join(folder, key))
	}
	text, err := os.ReadFile(filepath.Join(to, "taken"))
	require.NoError(t, err)
	assert.Equal(t, "before", string(text))
	assert.FileExists(t, filepath.Join(folder, "taken"))
	assert.FileExists(t, filepath.Join(folder, "changed"))

	for _, elsewhere := range []string{"s3://bucket/x", "file://other-host/x"} {
		require.ErrorIs(t, s.Move(t.Context(), objects[3:4], elsewhere)[0], errors.ErrUnsupported)
	}
}

// A move to another file system is left to whoever can copy.
func TestMoveToAnotherFileSystem(t *testing.T) {
	s, folder := removable(t, "file")
	to, err := os.MkdirTemp("/dev/shm", "unspool-test-") //nolint:usetesting // t.TempDir is on the same one
	if err != nil {
		t.Skip("no other file system here")
	}
	t.Cleanup(func() { os.RemoveAll(to) })
	o := stat(t, s, "file")
	err = s.Move(t.Context(), []source.Object{o}, to)[0]
	if err == nil {
		t.Skip("no other file system here")
	}
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.FileExists(t, filepath.Join(folder, "file"))
	assert.NoFileExists(t, filepath.Join(to, "file"))
}
