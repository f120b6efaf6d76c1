//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is the command in a process of its own that may run for as long as the
// test does. It tells where it hangs if it is still there when the test ends.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lockedBuffer
}

// startProcess starts the command; ctx ends when the test does.
func startProcess(ctx context.Context, env []string, args ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, exe, args...)}
	p.cmd.Env = append(append(os.Environ(), env...), envChild+"="+os.DevNull)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGQUIT) }
	p.cmd.WaitDelay = 10 * time.Second
	return p, p.cmd.Start()
}

// wait waits for its end, and returns its exit status and what it wrote.
func (p *process) wait() (status int, stdout, stderr string) {
	_ = p.cmd.Wait() // the status says what matters
	return p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()
}

// cpu is the processor time of a process that has ended.
func (p *process) cpu() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// memory is what it has resident at the moment, in bytes; 0 where it has ended.
func (p *process) memory() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := resident.FindSubmatch(status)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
	return kb << 10
}

// cpuOfServer is the processor time of the servers of that name that this process
// has started, with that of their own children.
func cpuOfServer(t *testing.T, name string) time.Duration {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var sum time.Duration
	family := map[int]bool{os.Getpid(): true}
	for grown := true; grown; {
		grown = false
		for _, file := range files {
			stat, err := os.ReadFile(file)
			if err != nil {
				continue // it has ended
			}
			pid, parent, is, cpu := parseStat(t, string(stat))
			if is == name && family[parent] && !family[pid] {
				family[pid], grown = true, true
				sum += cpu
			}
		}
	}
	return sum
}

// parseStat reads /proc/PID/stat (see proc_pid_stat(5)).
func parseStat(t *testing.T, stat string) (pid, parent int, name string, cpu time.Duration) {
	t.Helper()
	before, rest, ok := strings.Cut(stat, " (")
	end := strings.LastIndex(rest, ") ")
	require.True(t, ok && end > 0, stat)
	fields := strings.Fields(rest[end+2:])
	require.Greater(t, len(fields), 12, stat)
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		require.NoError(t, err, stat)
		return n
	}
	const tick = time.Second / 100
	return number(before), number(fields[1]), rest[:end], time.Duration(number(fields[11])+number(fields[12])) * tick
}
