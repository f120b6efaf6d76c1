package testtool

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder is a testing.TB that remembers how a test ended, without ending.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()           {}
func (r *recorder) Skip(args ...any)  { r.skipped = args[0].(string) }
func (r *recorder) Fatal(args ...any) { r.failed = args[0].(string) }

func TestAMissingToolSkipsHereAndFailsInCI(t *testing.T) {
	t.Setenv(EnvDir, t.TempDir())
	t.Setenv("CI", "")
	r := &recorder{TB: t}
	Find(r, "fauxqs")
	require.Contains(t, r.skipped, ".ci/tools")
	require.Empty(t, r.failed)

	t.Setenv("CI", "true")
	r = &recorder{TB: t}
	Find(r, "no-such-command")
	require.Empty(t, r.skipped)
	require.Contains(t, r.failed, ".ci/tools")
}

func TestFindLooksInTheFolderOfTools(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(EnvDir, dir)
	want := filepath.Join(dir, "bin", "versitygw")
	require.NoError(t, os.MkdirAll(filepath.Dir(want), 0o755))
	require.NoError(t, os.WriteFile(want, nil, 0o755))
	require.Equal(t, want, Find(t, "versitygw"))
}

func TestDirIsBesideGoMod(t *testing.T) {
	t.Setenv(EnvDir, "")
	dir, err := Dir()
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(filepath.Dir(dir), "go.mod"))
}

func TestStartedProcessIsKilledWithItsChildrenAtTheEndOfTheTest(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	var cmd *exec.Cmd
	t.Run("inner", func(t *testing.T) {
		cmd = exec.Command("sh", "-c", "sleep 1000 & echo $! >"+ready+".tmp; mv "+ready+".tmp "+ready+"; wait")
		Start(t, cmd, func() error { _, err := os.Stat(ready); return err })
	})
	require.NotNil(t, cmd.ProcessState)
	child, err := os.ReadFile(ready)
	require.NoError(t, err)
	// It was told to die before Start's cleanup ended; the kernel may take a moment.
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, time.Minute, time.Millisecond, "the child lives on")
}

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, Listening(l.Addr().String())())
	require.NoError(t, l.Close())
	require.Error(t, Listening(l.Addr().String())())
	require.True(t, strings.HasPrefix(Addr(t), "127.0.0.1:"))
}

func TestTailKeepsTheEnd(t *testing.T) {
	var out tail
	for range 1000 {
		_, _ = out.Write([]byte("0123456789"))
	}
	_, _ = out.Write([]byte("end"))
	require.Len(t, out.String(), kept)
	require.True(t, strings.HasSuffix(out.String(), "9end"))
}
