package lambdatest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// log collects what a process writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// process is a running function.
type process struct {
	group  int // id of the process, and of all that it starts
	log    log
	exited chan struct{}
	exit   error // once exited is closed
}

// errEnded is wrapped by the error of an invocation that the process did not
// survive.
var errEnded = errors.New("the process ended")

// start runs a program with nothing in its environment but what Lambda has there,
// and env. It is killed at the end of the test.
func start(t testing.TB, program string, env []string) *process {
	t.Helper()
	cmd := exec.Command(program) //nolint:noctx // it is killed at the end of the test
	cmd.Env = append([]string{
		"AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=accesskey", "AWS_SECRET_ACCESS_KEY=secretkey",
	}, env...)
	p := &process{exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the function: %v", err)
	}
	p.group = cmd.Process.Pid
	go func() {
		defer close(p.exited)
		p.exit = cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// kill kills the process unless it has ended, and waits for it to be gone.
func (p *process) kill() {
	select {
	case <-p.exited: // its id may be another's
	default:
		_ = syscall.Kill(-p.group, syscall.SIGKILL) // gone already is fine
		<-p.exited
	}
}

// ended is the error of a process that has exited.
func (p *process) ended() error {
	return fmt.Errorf("%w (%w): %s", errEnded, p.exit, strings.TrimSpace(p.log.String()))
}
