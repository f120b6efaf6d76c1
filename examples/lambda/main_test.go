package lambda

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
)

// functions are all there are, as their folders are named.
var functions = []string{"archiver", "checker", "loader", "monitor", "observer", "s3event", "sqsconsumer"}

// runs reports whether tests run a function: some do not where they are to be brief,
// because each takes seconds to link.
func runs(function string) bool { return !testtool.Brief() || function == "loader" }

// built is where functions are built, each at its first use.
var built struct {
	mu     sync.Mutex
	folder string
	done   map[string]error
}

// program builds a function for this machine, and returns its path.
func program(t testing.TB, function string) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.done == nil {
		folder, err := os.MkdirTemp("", "unspool-lambda-") //nolint:usetesting // it outlives the test
		require.NoError(t, err)
		built.folder, built.done = folder, map[string]error{}
	}
	path := filepath.Join(built.folder, function)
	if _, ok := built.done[function]; !ok {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", path, "./"+function).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("build %s: %w\n%s", function, err, out)
		}
		built.done[function] = err
	}
	require.NoError(t, built.done[function])
	return path
}

func TestMain(m *testing.M) {
	// Tests that are parallel wait for most of their time: for slow queues, and deadlines.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if built.folder != "" {
		if err := os.RemoveAll(built.folder); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}
