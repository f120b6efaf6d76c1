package processor_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	sinkfile "github.com/unspool-go/unspool/sink/file"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

// A read error in the middle of an object, in every run but the last: the
// object is not finished, and in the end every record was sent once.
func TestDefect01ReadErrorMidFileDoesNotFinishTheObject(t *testing.T) {
	for _, n := range []int{100, 20_000} {
		synctest.Test(t, func(t *testing.T) {
			src := &processortest.Source{}
			body := new(strings.Builder)
			for i := range n {
				fmt.Fprintf(body, "{\"id\":\"%d\"}\n", i)
			}
			src.Put("big.json", []byte(body.String()))
			cut := int64(body.Len() / 3)
			src.OnOpen = func(_ context.Context, _ source.Object, off int64) processortest.ReadFault {
				if cut > int64(body.Len()) {
					return processortest.ReadFault{}
				}
				return processortest.ReadFault{Cut: errCable, After: max(0, cut-off)}
			}
			out := sinkmemory.New(sinkmemory.Config{})
			base := t.TempDir()
			svc, err := processor.New(processor.Config{
				Source: src, Claimer: memory.New(), Sink: out, Pack: processor.Pack{TargetBytes: 1000},
				RetryURL: base + "/retry", FailedURL: base + "/failed", CorruptionURL: base + "/corrupt", RetryDelay: time.Minute,
			})
			require.NoError(t, err)
			for range 4 {
				rep, err := svc.Run(t.Context())
				require.NoError(t, err)
				resp := rep.BaseResponse()
				if cut <= int64(body.Len()) {
					assert.Zero(t, resp.Finished)
					assert.Contains(t, strings.Join(resp.Errors, " "), errCable.Error())
				}
				cut += int64(body.Len() / 3)
				time.Sleep(time.Hour)
			}
			sent := map[string]int{}
			for _, m := range out.Messages() {
				for _, id := range processortest.IDs(m.Body) {
					sent[id]++
				}
			}
			assert.Len(t, sent, n)
			for id, times := range sent {
				require.Equal(t, 1, times, id)
			}
		})
	}
}

const (
	killedVariable = "UNSPOOL_TEST_KILLED"
	killedFiles    = 300
	killedRecords  = 20
)

// A worker is killed in the middle of a run, with no time for anything. The
// next run does the rest; what comes twice is what was sent and not yet
// recorded as finished.
func TestDefect14KilledMidRunLosesNothing(t *testing.T) {
	if base := os.Getenv(killedVariable); base != "" {
		require.NoError(t, drainFolder(t, base, true))
		return
	}
	base := t.TempDir()
	require.NoError(t, os.Mkdir(base+"/in", 0o700))
	for i := range killedFiles {
		body := new(strings.Builder)
		for j := range killedRecords {
			fmt.Fprintf(body, "{\"id\":\"%d-%d\"}\n", i, j)
		}
		require.NoError(t, os.WriteFile(fmt.Sprintf("%s/in/%03d.json", base, i), []byte(body.String()), 0o600))
	}
	for range 2 {
		killInTheMiddle(t, base)
	}
	require.NoError(t, drainFolder(t, base, false))
	sent := map[string]int{}
	files, err := filepath.Glob(base + "/out/*.ndjson")
	require.NoError(t, err)
	for _, name := range files {
		body, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, id := range processortest.IDs(body) {
			sent[id]++
		}
	}
	assert.Len(t, sent, killedFiles*killedRecords)
}

// killInTheMiddle runs this test in another process, and kills that after it
// has finished some objects.
func killInTheMiddle(t *testing.T, base string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDefect14KilledMidRunLosesNothing$")
	cmd.Env = append(os.Environ(), killedVariable+"="+base)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	alive := false
	for !alive && lines.Scan() {
		alive = lines.Text() == "in the middle"
	}
	assert.True(t, alive, "it has to be killed while it works")
	require.NoError(t, cmd.Process.Kill())
	_, _ = io.Copy(io.Discard, out)
	assert.Error(t, cmd.Wait())
}

// drainFolder drains base/in to files in base/out. A run that is to be killed
// gets slow after its first third, says so, and soon waits to be killed, or for the
// end of who was to do it.
func drainFolder(t *testing.T, base string, killed bool) error {
	t.Helper()
	files, err := dir.Open(base+"/in", dir.Config{})
	require.NoError(t, err)
	defer files.Close()
	claims, err := disk.Open(base+"/claims", disk.Config{})
	require.NoError(t, err)
	defer claims.Close()
	out, err := sinkfile.New(base+"/out", sinkfile.Config{})
	require.NoError(t, err)
	cfg := processor.Config{
		Source: files, Claimer: claims, Sink: out,
		RetryURL: base + "/retry", FailedURL: base + "/failed", CorruptionURL: base + "/corrupt",
		Pack: processor.Pack{TargetBytes: 200}, ClaimBlock: 16, Concurrency: 2,
		MaxUnconfirmed: processor.Unconfirmed{Interval: time.Millisecond},
	}
	if killed {
		var opens atomic.Int64
		cfg.Concurrency = 1
		cfg.Source = watched{files, func() {
			switch opened := opens.Add(1); {
			case opened == killedFiles/3:
				fmt.Println("in the middle")
			case opened > killedFiles/3+10:
				_, _ = io.Copy(io.Discard, os.Stdin)
			case opened > killedFiles/3:
				time.Sleep(50 * time.Millisecond)
			}
		}}
	}
	svc, err := processor.New(cfg)
	require.NoError(t, err)
	_, err = svc.Run(t.Context())
	return err
}

// watched calls open before an object is opened.
type watched struct {
	source.Source
	open func()
}

func (w watched) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	w.open()
	return w.Source.Open(ctx, o, off, n)
}
