package dir_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source/dir"
)

// A listing knows whether another would find more: never no after something was
// added, wherever that was. Where the folders changed only just now, it says yes.
func TestListTellsWhetherThereIsMore(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	write := func(name string) { require.NoError(t, os.WriteFile(at(name), []byte("{}"), 0o600)) }
	require.NoError(t, os.MkdirAll(at("a/b"), 0o700))
	write("1")
	write("a/b/2")
	s := open(t, root, dir.Config{})
	listed := func() func() bool {
		objects, more := s.List(t.Context())
		assert.True(t, more(), "it has not begun")
		for _, err := range objects {
			require.NoError(t, err)
		}
		return more
	}
	// quiet lists when all folders have been left alone for long enough.
	quiet := func() func() bool {
		var more func() bool
		require.Eventually(t, func() bool { more = listed(); return !more() }, time.Minute, 100*time.Millisecond)
		return more
	}
	s.SetSettled(time.Hour)
	assert.True(t, listed()(), "the folders are too young to tell")
	s.SetSettled(100 * time.Millisecond)

	more := quiet()
	write("3")
	assert.True(t, more(), "a file was added")

	more = quiet()
	old := time.Unix(1, 0)
	for name, change := range map[string]func(){
		"in a nested folder":             func() { write("a/b/4") },
		"by renaming":                    func() { require.NoError(t, os.Rename(at("1"), at("5"))) },
		"and the folder's time set back": func() { write("a/6"); require.NoError(t, os.Chtimes(at("a"), old, old)) },
	} {
		require.False(t, more(), name)
		change()
		assert.True(t, more(), name)
		more = quiet()
	}

	objects, more := s.List(t.Context())
	for range objects {
		break
	}
	assert.True(t, more(), "it was broken off")
}
