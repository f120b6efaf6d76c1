//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/testtool"
)

// Of a row that went through all stages nothing stays in the memory of the process that
// stored it, polled it from the stream, worked on it and merged its result.
func TestMemoryIsFlat(t *testing.T) {
	if testtool.Brief() {
		t.Skip("memory shows with many rows: UNSPOOL_FULL=1")
	}
	few, many := 5_000, 35_000
	before, after := memoryAfter(t, few), memoryAfter(t, many)
	t.Logf("after %d rows: %d KB, after %d: %d KB", few, before>>10, many, after>>10)
	const row = 300 // bytes: less than one as JSON; pools and connections differ by some megabytes
	assert.Less(t, after, before+int64(many-few)*row)
}

// memoryAfter returns how many bytes of its heap the process of the stages uses when all
// of so many rows have their result, and the stages wait for more. The stand-ins, and what
// loads the rows, are in this process.
func memoryAfter(t *testing.T, rows int) int64 {
	t.Helper()
	s := newStandIns(t)
	want := s.loaded(t, rows)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"=measured", envQueues+"="+s.queues.URL(), envTable+"="+s.table.URL())
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	require.NoError(t, cmd.Start())
	awaited := s.await(t.Context(), finished, want.clean)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), &log)
	require.NoError(t, awaited)
	require.NoError(t, s.check(t.Context(), want))
	heap, err := strconv.ParseInt(out.String(), 10, 64)
	require.NoError(t, err, &out)
	return heap
}

// measured is consumers of which no request fails, and that tell how much of the heap is
// in use when they are told to end.
func measured() error {
	c := newChain(settings(os.Getenv(envQueues)), settings(os.Getenv(envTable)), memory.New(), newLogger(os.Stderr))
	c.work.krone.Store(true)
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.run(ctx) })
	group.Go(func() error {
		defer cancel()
		select {
		case <-told.Done():
		case <-ctx.Done():
			return nil
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what is in pools outlives one
		runtime.ReadMemStats(&m)
		fmt.Print(m.HeapAlloc)
		return nil
	})
	return group.Wait()
}
