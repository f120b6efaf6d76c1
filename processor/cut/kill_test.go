package cut_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/cut"
	"github.com/unspool-go/unspool/source/dir"
)

// childDir is the variable that makes a process of this test cut what a folder
// holds.
const childDir = "UNSPOOL_TEST_CUT"

func child() bool {
	root := os.Getenv(childDir)
	if root == "" {
		return false
	}
	if err := cutFolder(root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func cutFolder(root string) error {
	folder, err := dir.Open(filepath.Join(root, "in"), dir.Config{})
	if err != nil {
		return err
	}
	defer folder.Close()
	c, err := cut.New(cut.Config{
		Source: folder, To: filepath.Join(root, "parts"), CorruptionURL: filepath.Join(root, "corrupt"), PartBytes: 1000, Concurrency: 1,
	})
	if err != nil {
		return err
	}
	_, err = c.Run(context.Background())
	return err
}

// A process that is killed leaves whole parts only, and the next one completes
// them: nothing is there twice.
func TestKilled(t *testing.T) {
	root := t.TempDir()
	var in strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&in, "{\"id\":%d}\n", i)
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "in"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "in", "o.ndjson"), []byte(in.String()), 0o600))
	parts := func() int {
		names, err := filepath.Glob(filepath.Join(root, "parts", "*", "part*.ndjson"))
		require.NoError(t, err)
		return len(names)
	}
	for _, least := range []int{1, 20, 40} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+root)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for tick := time.NewTicker(time.Millisecond); parts() < least && len(ended) == 0; {
			<-tick.C
		}
		_ = cmd.Process.Kill()
		<-ended
	}
	require.NoError(t, cutFolder(root))
	folder, err := dir.Open(filepath.Join(root, "parts"), dir.Config{})
	require.NoError(t, err)
	defer folder.Close()
	assert.Equal(t, in.String(), together(t, folder))
}
