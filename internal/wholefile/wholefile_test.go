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
