//go:build unix

package sorted_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// fullDiskChild holds the folder for temporary files, in a child of this test.
const fullDiskChild = "UNSPOOL_TEST_SORT_FULL_DISK"

// TestFullDiskChild is the child: every write beyond 256 KiB of a file fails, as on
// a full disk.
func TestFullDiskChild(t *testing.T) {
	dir := os.Getenv(fullDiskChild)
	if dir == "" {
		t.Skip("run by TestAFullDiskIsNoFaultOfTheObject")
	}
	limit := syscall.Rlimit{Cur: 256 << 10, Max: 256 << 10}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	in, want := many(20_000)
	src := ordered(t, sourcetest.NewMemory(map[string]string{"o": in}), sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{}}, TempDir: dir})
	got, _, err := read(t.Context(), src, "o")
	require.NoError(t, err)
	same(t, want, got, "in memory")

	sorted.Squeeze(src, 64<<10, 500, 3)
	got, _, err = read(t.Context(), src, "o")
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	assert.ErrorContains(t, err, `"o"`)
	assert.Empty(t, got, "nothing is given out")
	assert.Zero(t, sorted.Taken(src))
}

func TestAFullDiskIsNoFaultOfTheObject(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestFullDiskChild$")
	child.Env = append(os.Environ(), fullDiskChild+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
