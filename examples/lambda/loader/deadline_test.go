package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	claims "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/dir"
)

// A deadline strikes at any moment, with the margins of the defaults and a queue that is
// slow, or does not answer at all: in fake time, where an answer that is a microsecond
// late is the fault of the code. It is in time, each record has one fate, and what was
// not sent is sent by the next invocations, once.
func TestDeadlineAtAnyMoment(t *testing.T) {
	runs := 1000
	if testtool.Brief() {
		runs = 100
	}
	folder := t.TempDir()
	const files, perFile = 40, 5
	for i := range files {
		var text []byte
		for j := range perFile {
			text = fmt.Appendf(text, "{\"id\":%d}\n", i*perFile+j)
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.json", i)), text, 0o600))
	}
	var struck int
	for number := 0; number < runs; {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(number), 1)) //nolint:gosec // repeatable
			n, stopped := drainInSteps(t, folder, files*perFile, rnd)
			number += n
			struck += stopped
		})
	}
	t.Logf("%d runs, of which %d were struck by their deadline", runs, struck)
	assert.Greater(t, struck, runs/10)
}

// drainInSteps drains a folder by invocations with random deadlines, and returns how many
// there were, and how many had to stop.
func drainInSteps(t *testing.T, folder string, records int, rnd *rand.Rand) (calls, stopped int) {
	source, err := dir.Open(folder, dir.Config{})
	require.NoError(t, err)
	defer source.Close()
	slow := time.Duration(rnd.Int64N(int64(9 * time.Second)))
	silent := rnd.Int64N(4) == 0
	deaf := false // set between invocations
	queue := memory.New(memory.Config{Hook: func(ctx context.Context, _ []sink.Message) error {
		wait := time.After(slow)
		if deaf {
			wait = nil
		}
		select {
		case <-wait:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	aside := t.TempDir()
	service, err := processor.New(processor.Config{
		Source: source, Claimer: claims.New(), Sink: queue, Concurrency: 2, Senders: 2,
		Pack:     processor.Pack{Mode: processor.PackSingle},
		RetryURL: aside + "/r", FailedURL: aside + "/f", CorruptionURL: aside + "/c",
	})
	require.NoError(t, err)
	metrics, err := emf.New(io.Discard, emf.Config{})
	require.NoError(t, err)
	f := lambdatest.Serve(t, loader{service, metrics}.Handle)
	var sent int64
	for sent < int64(records) {
		require.Less(t, calls, 200, "no progress")
		deaf = silent && calls%3 == 1
		deadline := time.Now().Add(2*time.Second + time.Duration(rnd.Int64N(int64(13*time.Second))))
		answer, err := f.Invoke([]byte(`{}`), deadline)
		r := lambdatest.Returned[processor.Response](t, answer, err)
		require.True(t, answer.InTime(), "answered %v late", answer.At.Sub(answer.Deadline))
		require.Equal(t, r.Loaded, r.Delivered)
		require.Zero(t, r.Lost+r.Abandoned)
		sent += r.Delivered
		calls++
		if r.Status == processor.StatusStopped {
			stopped++
		}
	}
	require.EqualValues(t, records, sent)
	times := map[int]int{}
	for _, m := range queue.Messages() {
		var record struct{ ID int }
		require.NoError(t, json.Unmarshal(m.Body, &record))
		times[record.ID]++
	}
	require.Len(t, times, records)
	for id, n := range times {
		require.Equal(t, 1, n, "record %d", id)
	}
	return calls, stopped
}
