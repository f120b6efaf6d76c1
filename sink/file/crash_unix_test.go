//go:build unix

package file_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink/file"
)

// The folder of a child process, which runs one test of this binary.
const childDir, childExt = "UNSPOOL_TEST_DIR", "UNSPOOL_TEST_EXT"

// child returns the command of a child that runs the named test.
func child(t *testing.T, test, dir, ext string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childExt+"="+ext)
	return cmd
}

// inChild returns the folder, and skips in the parent.
func inChild(t *testing.T) (dir string, cfg file.Config) {
	dir = os.Getenv(childDir)
	if dir == "" {
		t.Skip("run as a child process by another test")
	}
	return dir, file.Config{Ext: os.Getenv(childExt)}
}

func TestKilledChild(t *testing.T) {
	dir, cfg := inChild(t)
	s := newSink(t, dir, cfg)
	for i := range 20 {
		require.NoError(t, s.Send(t.Context(), messages([]string{fmt.Sprint("flushed ", i)})))
		if i%5 == 4 {
			require.NoError(t, s.Flush(t.Context()))
		}
	}
	require.NoError(t, s.Send(t.Context(), messages([]string{strings.Repeat("not flushed ", 100_000)})))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	select {}
}

func TestWhatWasFlushedSurvivesKillAndNothingElseIsVisible(t *testing.T) {
	for _, ext := range []string{".ndjson", ".ndjson.gz", ".ndjson.zst"} {
		t.Run(ext, func(t *testing.T) {
			dir := t.TempDir()
			out, err := child(t, "TestKilledChild", dir, ext).CombinedOutput()
			require.ErrorContains(t, err, "killed", "%s", out)
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprint("flushed ", i))
			}
			assert.Equal(t, want, lines(t, dir))
			assert.Len(t, hidden(t, dir), 1, "what was not flushed lies hidden")
		})
	}
}

// Every write beyond 64 KiB of a file fails, as on a full disk.
func TestFullDiskChild(t *testing.T) {
	dir, cfg := inChild(t)
	limit := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	s := newSink(t, dir, cfg)
	require.NoError(t, s.Send(t.Context(), messages([]string{"first"})))
	err := s.Send(t.Context(), messages([]string{strings.Repeat("x", 100<<10)}))
	require.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	require.NoError(t, s.Send(t.Context(), messages([]string{"second"})))
	err = s.Flush(t.Context())
	require.True(t, fault.Is(err, fault.ClassInterrupted), "the first message is lost: %v", err)
	require.NoError(t, s.Send(t.Context(), messages([]string{"third"})))
	require.NoError(t, s.Flush(t.Context()))
}

func TestAFullDiskLeavesNoHalfRecordAndIsToldByFlush(t *testing.T) {
	dir := t.TempDir()
	out, err := child(t, "TestFullDiskChild", dir, ".ndjson").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, []string{"second", "third"}, lines(t, dir))
	assert.Empty(t, hidden(t, dir))
}
