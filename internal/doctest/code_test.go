package doctest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/internal/testtool"
)

// userModule makes a module of its own that requires this one as a user's
// would, replaced by the work tree, and returns its folder.
func userModule(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	here, err := filepath.Abs(root)
	require.NoError(t, err)

	// The versions that this module was tested with, so that nothing is looked up.
	_, requires, ok := strings.Cut(read(t, "go.mod"), "\nrequire (")
	require.True(t, ok)
	mod := "module example.org/user\n\ngo 1.26.0\n\n" +
		"require github.com/unspool-go/unspool v0.0.0\n\n" +
		"replace github.com/unspool-go/unspool => " + here + "\n\n" +
		"require (" + requires
	require.NoError(t, os.WriteFile(filepath.Join(folder, "go.mod"), []byte(mod), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "go.sum"), []byte(read(t, "go.sum")), 0o600))
	return folder
}

// quickly has the linker leave out what only debuggers read.
const quickly = "GOFLAGS='-ldflags=-s -w'"

// command runs a program in folder and returns what it printed. Its time is that of
// the tests: what it compiles may not have been compiled before.
func command(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	ctx := t.Context()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-10*time.Second))
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return string(out)
}

// Every Go block is a whole file, so that what a reader copies compiles.
func TestCodeInDocumentsCompiles(t *testing.T) {
	module := userModule(t)
	n := 0
	for _, document := range documents(t) {
		for _, block := range blocks(read(t, document), "go") {
			n++
			folder := filepath.Join(module, "block"+strconv.Itoa(n))
			require.NoError(t, os.Mkdir(folder, 0o700))
			name := "block.go"
			if strings.Contains(block, `"testing"`) {
				name = "block_test.go"
			}
			require.True(t, strings.HasPrefix(block, "package "), "%s: a block that is no whole file:\n%s", document, block)
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(block), 0o600))
			assert.Empty(t, command(t, folder, nil, "gofmt", "-l", "."), "%s: not formatted:\n%s", document, block)
		}
	}
	require.Positive(t, n)
	command(t, module, []string{"GOFLAGS=-mod=mod"}, "go", "vet", "./...")
}

// The program of the README, in a module of its own, drains a folder into a
// queue: all of it, and nothing twice when it is started again.
func TestProgramOfREADME(t *testing.T) {
	programs := blocks(read(t, "README.md"), "go")
	require.Len(t, programs, 1)
	_, body, ok := strings.Cut(programs[0], "\n)\n")
	require.True(t, ok)
	lines := 0
	for line := range strings.Lines(body) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	assert.LessOrEqual(t, lines, 25, "beside its imports, the program has at most 25 lines")

	module := userModule(t)
	require.NoError(t, os.WriteFile(filepath.Join(module, "main.go"), []byte(programs[0]), 0o600))
	command(t, module, []string{quickly + " -mod=mod"}, "go", "build", "-o", "program", ".")

	work := t.TempDir()
	want, err := spooltest.Write(filepath.Join(work, "spool"), spooltest.Config{Files: 200, CorruptEvery: 20, OddEvery: 10})
	require.NoError(t, err)
	queue := startQueue(t, "jobs")
	for run := range 2 {
		out := command(t, work, queue.environment(), filepath.Join(module, "program"))
		assert.Contains(t, out, "Status:ok", "run %d", run)
		assert.Equal(t, want.Delivered, queue.ids(t), "run %d", run)
	}
}

// The shell commands of the README, in the order they stand there.
func TestCommandsOfREADME(t *testing.T) {
	repository, err := filepath.Abs(root)
	require.NoError(t, err)
	work := t.TempDir()
	want, err := spooltest.Write(filepath.Join(work, "spool"), spooltest.Config{Files: 50})
	require.NoError(t, err)
	queue := startQueue(t, "jobs")

	ran := 0
	for _, block := range blocks(read(t, "README.md"), "sh") {
		for line := range strings.Lines(block) {
			args := strings.Fields(line)
			switch {
			case len(args) == 0:
				continue
			case line == "go test ./...\n":
				// This very test is part of it. CI runs it on a fresh clone.
				assert.Contains(t, read(t, ".ci/run"), "\n    go test ./...\n")
			case args[0] == "go" && args[1] == "build":
				args[3] = filepath.Join(work, args[3])
				command(t, repository, []string{quickly}, args[0], args[1:]...)
			case line == "go run ./examples/quickstart\n" && testtool.Brief():
				continue // twenty thousand files; its own test runs it with a thousand
			case line == "go run ./examples/quickstart\n":
				requireSameText(t, blocks(read(t, "README.md"), "text")[0], command(t, repository, []string{quickly}, args[0], args[1:]...))
			default:
				command(t, work, queue.environment(), filepath.Join(work, args[0]), args[1:]...)
			}
			ran++
		}
	}
	assert.GreaterOrEqual(t, ran, 3)
	assert.Equal(t, want.Delivered, queue.ids(t))
	assert.Contains(t, command(t, work, nil, filepath.Join(work, "bin/unspool"), "run", "--help"), "--dry-run")
}

// varying is what differs from run to run in the output of the quickstart:
// everything that depends on time, and which record happens to come last.
var varying = regexp.MustCompile(`in [\d,]+ messages .*|one of them: .*`)

// requireSameText compares the lines that a document shows with those that a
// command printed.
func requireSameText(t *testing.T, shown, printed string) {
	t.Helper()
	printed, _, _ = strings.Cut(printed, "{\"Status\"") // the summary is not shown
	assert.Equal(t, varying.ReplaceAllString(shown, "…"), varying.ReplaceAllString(printed, "…"))
}

// The two commands that are all the set-up there is.
func TestTwoCommandsAreAllTheSetUp(t *testing.T) {
	first := blocks(read(t, "README.md"), "sh")[0]
	assert.Equal(t, "go run ./examples/quickstart\ngo test ./...\n", first)
}
