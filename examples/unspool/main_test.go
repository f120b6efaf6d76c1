package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Environment of a child process: the test binary is the command itself then.
const (
	envChild = "UNSPOOL_TEST_CHILD" // where to write the peak of its memory
	envFull  = "UNSPOOL_FULL"       // run the tests at full scale, as CI does
)

func TestMain(m *testing.M) {
	if report := os.Getenv(envChild); report != "" {
		code := execute(os.Args[1:])
		if status, err := os.ReadFile("/proc/self/status"); err == nil {
			_ = os.WriteFile(report, status, 0o600) // its absence fails the test
		}
		os.Exit(code)
	}
	if err := flag.Set("test.parallel", strconv.Itoa(beside)); err != nil { // unless the command line says otherwise
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// beside is how many tests that wait most of their time run at once.
const beside = 4

// waits has a test run beside others that, in its brief form, spends most of its
// time waiting for the processes it started. It must not change the environment.
func waits(t *testing.T) {
	t.Helper()
	if !full() {
		t.Parallel()
	}
}

// full reports whether the tests run at full scale.
func full() bool { return os.Getenv(envFull) != "" }

// scale chooses between the size of a plain run of the tests and full scale.
func scale[T any](plain, fully T) T {
	if full() {
		return fully
	}
	return plain
}

// child is the command as a process of its own.
type child struct {
	cmd    *exec.Cmd
	report string
	stdout bytes.Buffer
	stderr lockedBuffer
	done   chan struct{} // closed when the process has ended
}

// startChild starts the command with args, and with env besides the test's own
// environment.
func startChild(t *testing.T, env []string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	c := &child{cmd: exec.Command(exe, args...), report: filepath.Join(t.TempDir(), "status")}
	c.start(t, env)
	return c
}

// startUnprivileged is startChild for a test that root cannot run: where the
// test is root the command is nobody, who may write to folder.
func startUnprivileged(t *testing.T, folder string, env []string, args ...string) *child {
	t.Helper()
	if os.Geteuid() != 0 {
		return startChild(t, env, args...)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(exe)
	require.NoError(t, err)
	exe = filepath.Join(t.TempDir(), "unspool")
	// A process that is forked meanwhile would have the file open for writing, and it
	// could not be executed (go.dev/issue/22315).
	syscall.ForkLock.RLock()
	err = os.WriteFile(exe, program, 0o755)
	syscall.ForkLock.RUnlock()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(exe)), 0o755))
	require.NoError(t, os.Chmod(folder, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
	const nobody = 65534
	c := &child{cmd: exec.Command(exe, args...), report: filepath.Join(folder, "status")}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	c.start(t, env)
	return c
}

func (c *child) start(t *testing.T, env []string) {
	t.Helper()
	c.done = make(chan struct{})
	c.cmd.Env = append(append(os.Environ(), env...), envChild+"="+c.report)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	require.NoError(t, c.cmd.Start())
	go func() {
		_ = c.cmd.Wait() // the exit status is looked at by those who care
		close(c.done)
	}()
	// One that hangs tells where it does so, and the test goes on.
	hangs := time.AfterFunc(scale(5*time.Minute, 10*time.Minute), func() { _ = c.cmd.Process.Signal(syscall.SIGQUIT) })
	t.Cleanup(func() {
		hangs.Stop()
		_ = c.cmd.Process.Kill() // most often it has ended already
		<-c.done
	})
}

// wait returns the exit status, -1 where a signal ended the process.
func (c *child) wait() int {
	<-c.done
	return c.cmd.ProcessState.ExitCode()
}

func (c *child) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(s))
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory returns the most memory that the process, which ended by itself,
// ever had resident, in bytes. The figure of wait4 is no use: it includes the
// parent's.
func (c *child) peakMemory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(c.report)
	require.NoError(t, err)
	m := highWater.FindSubmatch(status)
	require.NotNil(t, m, "no VmHWM: not Linux?")
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return kb << 10
}

// lockedBuffer is a buffer that may be read while a process writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
