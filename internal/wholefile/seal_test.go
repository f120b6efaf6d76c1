package wholefile

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file that is there is synced, and so are the folders on the way to it.
func TestSeal(t *testing.T) {
	var synced []string
	base := t.TempDir()
	f := watched(t, base, func(path string) error {
		rel, err := filepath.Rel(filepath.Join(base, "in"), path)
		synced = append(synced, rel)
		return err
	})
	require.NoError(t, os.MkdirAll(filepath.Join(base, "in", "a"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(base, "in", "a", "b"), []byte("x"), 0o600))
	require.NoError(t, f.Seal("a/b"))
	assert.Equal(t, []string{"a/b", "a", "."}, synced)
	assert.ErrorIs(t, f.Seal("a/c"), fs.ErrNotExist)
}
