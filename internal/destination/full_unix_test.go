//go:build unix

package destination_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
)

// fullDiskChild holds the base to write to, in a child of this test.
const fullDiskChild = "UNSPOOL_TEST_FULL_DISK"

// TestFullDiskChild is the child: every write beyond 64 KiB of a file fails, as
// on a full disk.
func TestFullDiskChild(t *testing.T) {
	base := os.Getenv(fullDiskChild)
	if base == "" {
		t.Skip("run by TestAFullDiskLeavesNoHalfPart")
	}
	limit := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	s := open(t, base)
	for _, lines := range []int{80, 200} { // beyond the limit at commit, and before
		part, err := s.Create(t.Context(), "a/big.json", 1)
		require.NoError(t, err)
		for range lines {
			if _, err = part.Write([]byte(strings.Repeat("x", 1023) + "\n")); err != nil {
				assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
				break
			}
		}
		assert.Equal(t, lines == 200, err != nil, "write")
		_, err = part.Commit(t.Context())
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	}
}

func TestAFullDiskLeavesNoHalfPart(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir() + "/retry"
	child := exec.Command(self, "-test.run=^TestFullDiskChild$")
	child.Env = append(os.Environ(), fullDiskChild+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Empty(t, files(t, dir), "not even a temporary file")
}
