package wholefile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/wholefile"
)

// The promises of files on their way are tested where they are made to users:
// in internal/destination and sink/file. Here is what those cannot reach.

func folder(t *testing.T, dir string) *wholefile.Folder {
	f, err := wholefile.In(dir)
	require.NoError(t, err)
	return f
}

func TestCommitNeverReplacesAFile(t *testing.T) {
	dir := t.TempDir()
	f := folder(t, dir)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			file, err := f.Create("sub/same")
			if !assert.NoError(t, err) {
				return
			}
			_, err = file.Write([]byte("x"))
			assert.NoError(t, err)
			err = file.Commit()
			if err == nil {
				won.Add(1)
				return
			}
			assert.ErrorIs(t, err, fs.ErrExist)
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, won.Load())
	entries, err := os.ReadDir(filepath.Join(dir, "sub"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "the losers left something behind")
}

func TestWalkStopsAtTheFirstError(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	stop, n := errors.New("stop"), 0
	err := folder(t, dir).Walk(context.Background(), func(*os.Root, string) error {
		n++
		return stop
	})
	assert.ErrorIs(t, err, stop)
	assert.Equal(t, 1, n)
}

func TestSweepInIsOfOneFolder(t *testing.T) {
	dir := t.TempDir()
	const temp = ".part-01234567-89ab-cdef-0123-456789abcdef.tmp"
	long := time.Now().Add(-time.Hour)
	old := map[string]bool{"a/" + temp: true, "a/b/" + temp: false, "a/whole": false, temp: false, "a/.hidden.tmp": false}
	for name := range old {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, os.Chtimes(path, long, long))
	}
	f := folder(t, dir)
	n, err := f.SweepIn(t.Context(), "a", long.Add(-time.Second))
	require.NoError(t, err)
	assert.Zero(t, n, "somebody may be writing to it")
	n, err = f.SweepIn(t.Context(), "a", time.Now())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	for name, swept := range old {
		_, err := os.Lstat(filepath.Join(dir, name))
		assert.Equal(t, swept, errors.Is(err, fs.ErrNotExist), name)
	}
	for _, f := range []*wholefile.Folder{f, folder(t, filepath.Join(dir, "absent"))} {
		n, err = f.SweepIn(t.Context(), "not there", time.Now())
		require.NoError(t, err)
		assert.Zero(t, n)
	}
}
