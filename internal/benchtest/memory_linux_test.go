//go:build !race

package benchtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

const (
	// fullEnv runs the tests at full scale.
	fullEnv = "UNSPOOL_FULL"
	// besides is what a process may take besides: the program, the runtime, the
	// SDK, garbage not yet collected and what is remembered of finished keys.
	besides = 64 << 20
)

// scale chooses between the size of a plain run of the tests and full scale.
func scale(plain, full int) int {
	if os.Getenv(fullEnv) != "" {
		return full
	}
	return plain
}

// Whatever the input, a process that drains it into SQS with durable claims
// never takes more than MaxInFlightBytes and 64 MB. The race detector takes
// memory of its own, so this is tested without.
func TestPeakMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads hundreds of megabytes")
	}
	endpoint, queue := startServer(t)
	for _, c := range []struct {
		name string
		make func(t *testing.T) (folder string, records, corrupt int)
	}{
		{"small files", func(t *testing.T) (string, int, int) {
			n := scale(1_000, 100_000)
			return makeFolder(t, n), n, 0
		}},
		{"one file of lines", func(t *testing.T) (string, int, int) {
			folder := t.TempDir()
			return folder, writeLines(t, filepath.Join(folder, "large.ndjson"), true, int64(scale(96, 1024))<<20), 0
		}},
		{"files of 10,000 records", func(t *testing.T) (string, int, int) {
			folder, records := t.TempDir(), 0
			for i := range scale(8, 100) {
				records += writeLines(t, filepath.Join(folder, fmt.Sprint(i, ".ndjson")), true, 10_000*500)
			}
			return folder, records, 0
		}},
		{"one array", func(t *testing.T) (string, int, int) {
			folder := t.TempDir()
			name := filepath.Join(folder, "large.json")
			records := writeLines(t, name, true, int64(scale(64, 400))<<20)
			lines, err := os.ReadFile(name)
			require.NoError(t, err)
			array := bytes.ReplaceAll(bytes.TrimSpace(lines), []byte("\n"), []byte(",\n"))
			require.NoError(t, os.WriteFile(name, slices.Concat([]byte("["), array, []byte("]")), 0o600))
			return folder, records, 0
		}},
		{"one value", func(t *testing.T) (string, int, int) {
			return fill(t, `{"id":1,"text":"`, 'x', scale(96, 200)<<20, `"}`), 0, 1
		}},
		{"nested", func(t *testing.T) (string, int, int) { return fill(t, `{"id":`, '[', scale(64, 200)<<20, ""), 0, 1 }},
		{"zeros", func(t *testing.T) (string, int, int) { return fill(t, "", 0, scale(64, 200)<<20, ""), 0, 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if os.Getenv(fullEnv) == "" && (c.name == "nested" || c.name == "zeros") {
				t.Skip("in brief another value without end does: UNSPOOL_FULL=1")
			}
			folder, records, corrupt := c.make(t)
			r, peak := drainApart(t, folder, endpoint, queue)
			assert.EqualValues(t, records, r.Delivered)
			assert.EqualValues(t, corrupt, r.CorruptionErrors)
			t.Logf("%d MB read, peak memory %d MB", r.ReadBytes>>20, peak>>20)
			assert.Less(t, peak, int64(inFlight+besides))
		})
	}
}

// fill makes a folder with one file: a start, one byte over and over, an end.
func fill(t *testing.T, start string, body byte, n int, end string) string {
	t.Helper()
	folder := t.TempDir()
	file, err := os.Create(filepath.Join(folder, "file.json"))
	require.NoError(t, err)
	_, err = io.Copy(file, io.MultiReader(strings.NewReader(start), io.LimitReader(endless(body), int64(n)), strings.NewReader(end)))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return folder
}

// endless is a reader of one byte over and over.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// drainApart drains a folder in a process of its own, and returns the peak of
// its memory.
func drainApart(t *testing.T, folder, endpoint, queue string) (r processor.Response, peak int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), folderEnv+"="+folder, stateEnv+"="+t.TempDir(), queueEnv+"="+endpoint+" "+queue)
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		require.NoError(t, err, "%s", exit.Stderr)
	}
	require.NoError(t, err)
	var report childReport
	require.NoError(t, json.Unmarshal(out, &report), "%s", out)
	return report.Response, report.PeakKB << 10
}
