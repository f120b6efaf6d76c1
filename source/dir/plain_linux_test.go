package dir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
)

// What is said of a file, and whether it is removed, does not depend on how the
// kernel is asked.
func TestPlainFilesAreAsAllOthers(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))

	// outcome looks at a file of a folder made for that, and removes it.
	outcome := func(key string, openat2 bool, size int64) string {
		s, folder := removable(t, "top", "a/b/c/deep")
		require.NoError(t, unix.Mkfifo(filepath.Join(folder, "a/fifo"), 0o600))
		for name, to := range map[string]string{"a/link": "../top", "a/dangling": "none", "folder": "a", "out": outside, "a/out": secret} {
			require.NoError(t, os.Symlink(to, filepath.Join(folder, name)))
		}
		s.files.openat2 = s.files.openat2 && openat2
		o, since, err := s.Stat(t.Context(), key)
		text := fmt.Sprintf("%q of %d bytes, %v", o.Key, o.Size, err)
		if err == nil {
			info, statErr := os.Stat(filepath.Join(folder, key))
			require.NoError(t, statErr)
			last, statErr := os.Lstat(filepath.Join(folder, key))
			require.NoError(t, statErr)
			if changed(info).After(changed(last)) {
				last = info // of a link and what it leads to, the one that changed later
			}
			text += fmt.Sprintf(", times %t %t", o.ModTime.Equal(info.ModTime()), since.Equal(changed(last)))
		}
		removed := s.Remove(t.Context(), []source.Object{{Key: key, Size: size}})[0]
		_, err = os.Lstat(filepath.Join(folder, key))
		assert.FileExists(t, secret)
		text = fmt.Sprintf("%s; %v, there: %t", text, removed, err == nil)
		return strings.ReplaceAll(text, "path escapes from parent", errLeavesRoot.Error()) // as os.Root has it
	}
	for _, key := range []string{
		"top", "a/b/c/deep", "a", "none", "a/none", "none/none", "top/none", "a/fifo", "a/link", "a/dangling",
		"folder/b/c/deep", "out/secret", "a/out", "../in/top", "a//b", "",
	} {
		for _, size := range []int64{-1, 1} {
			assert.Equal(t, outcome(key, false, size), outcome(key, true, size), key)
		}
	}
	assert.Equal(t, `"a/b/c/deep" of 10 bytes, <nil>, times true true; <nil>, there: false`, outcome("a/b/c/deep", true, 10))
}
