package processor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// Every mistake in a configuration is named at once, each by its field.
func TestErrorsNameEveryMistake(t *testing.T) {
	_, err := processor.New(processor.Config{
		Source: &processortest.Source{},
		Split: source.Split{
			Format: "xml", Records: "a.#", MaxRecordBytes: -1, MaxPreambleBytes: -1, MaxDepth: -1,
		},
		RecordID: "a\nb",
		RetryURL: "nobody://here/", FailedURL: "x/$NOPE",
		Pack:        processor.Pack{Mode: "tar", TargetBytes: -1, FrameBytes: -1},
		Concurrency: -1, Senders: -1, ClaimBlock: -1,
		RetryDelay: -1, MaxExecTime: -1, DeadlineReduction: -1, Lease: -1, SendTimeout: -1, PollInterval: -1,
		MaxUnconfirmed: processor.Unconfirmed{Bytes: -1, Interval: -1},
		Rate:           processor.Rate{Records: -1},
		MaxObjectBytes: -1, BatchSize: -1, MaxBatchBytes: -1,
	})
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	for _, field := range []string{
		"Claimer", "Sink", "Split.Format", "Split.Records", "Split.MaxRecordBytes", "Split.MaxPreambleBytes", "Split.MaxDepth",
		"RecordID", "RetryURL", "FailedURL", "CorruptionURL", "Pack.Mode", "Pack.TargetBytes", "Pack.FrameBytes",
		"Concurrency", "Senders", "ClaimBlock", "RetryDelay", "MaxExecTime", "DeadlineReduction",
		"Lease", "SendTimeout", "PollInterval", "MaxUnconfirmed.Bytes", "MaxUnconfirmed.Interval", "Rate", "MaxObjectBytes",
		"BatchSize", "MaxBatchBytes",
	} {
		found := false
		for _, line := range lines {
			found = found || strings.HasPrefix(line, field+":")
		}
		assert.True(t, found, "%s is not named in:\n%v", field, err)
	}
}

func TestErrorsOfRelations(t *testing.T) {
	base := processor.Config{
		Source: &processortest.Source{}, Claimer: memory.New(), Sink: sinkmemory.New(sinkmemory.Config{}),
		RetryURL: "r", FailedURL: "f", CorruptionURL: "c",
	}
	_, err := processor.New(base)
	require.NoError(t, err)
	for field, change := range map[string]func(c *processor.Config){
		"SendTimeout":       func(c *processor.Config) { c.Lease, c.SendTimeout = 10*time.Second, 5*time.Second },
		"DeadlineReduction": func(c *processor.Config) { c.MaxExecTime, c.DeadlineReduction = time.Second, time.Second },
		"Pack.FrameBytes":   func(c *processor.Config) { c.Pack.TargetBytes, c.Pack.FrameBytes = 100, 99 },
		"Processor":         func(c *processor.Config) { c.Processor = preFails{} },
		"Claimer":           func(c *processor.Config) { c.Claimer = nil },
		"Sink":              func(c *processor.Config) { c.Sink = nil },
		"MaxInFlightBytes":  func(c *processor.Config) { c.MaxInFlightBytes = 1 << 20 },
		"RetryURL":          func(c *processor.Config) { c.RetryURL = "" },
		"BatchSize":         func(c *processor.Config) { c.Sink, c.Processor, c.BatchSize = nil, preFails{}, 1 },
		"GroupBy": func(c *processor.Config) {
			c.Sink, c.Processor, c.GroupBy = nil, preFails{}, func(source.Record) []byte { return nil }
		},
		"MaxBatchBytes": func(c *processor.Config) { c.MaxBatchBytes = 2 << 30 },
	} {
		cfg := base
		change(&cfg)
		_, err := processor.New(cfg)
		require.Error(t, err, field)
		assert.True(t, strings.HasPrefix(err.Error(), field+":"), "%s: %v", field, err)
		assert.NotContains(t, err.Error(), "\n", "one mistake, one line")
	}
}

func TestErrorsOfRequests(t *testing.T) {
	s := newScene(t)
	for want, req := range map[string]*processor.Request{
		"Request.Reader":    {},
		"Request.Object":    {Reader: strings.NewReader(""), SourceURL: "a", Object: &source.Object{Key: "a"}},
		"Request.SourceURL": {Reader: strings.NewReader("")},
		"Request.Attempt":   {Reader: strings.NewReader(""), SourceURL: "a", Attempt: -1},
		"nil Request":       nil,
	} {
		_, err := s.service().Do(t.Context(), req)
		assert.ErrorContains(t, err, want)
	}
	s.cfg.Source = nil
	_, err := s.service().Run(t.Context())
	assert.ErrorContains(t, err, "Source")
}

// canary stands for payload: it must not be found in an error or a log line.
const canary = "hunter2secret"

// Payload never reaches a log line or an error, however it fails.
func TestErrorsHoldNoPayload(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	s := newSceneWith(t, sink.Limits{MessageBytes: 2000, BatchBytes: 2000, BatchMessages: 10, XMLChars: true})
	s.cfg.Logger = zap.New(core)
	s.cfg.RecordID = "_id"
	s.cfg.Concurrency = 1
	s.cfg.Split.MaxRecordBytes = 100_000
	texts := []string{
		`{"` + canary + `":1}`,
		`{"` + canary + `":1,}`,
		`{"a":` + canary + `}`,
		`{"a":"` + canary,
		canary + "\n{\"id\":1}",
		`"` + canary + "\xff" + `"`,
		`"` + canary + "\x00" + `"`,
		`["` + canary + `", hunter2secret, {"a":hunter2secret}]`,
		`{"do":"` + canary + ` panic"}`, `{"do":"` + canary + ` slice"}`, `{"do":"` + canary + ` partial"}`,
		`{"do":"` + canary + ` badjson"}`, `{"do":"` + canary + ` empty"}`, `"` + canary + `"`,
		`{"a":"` + canary + strings.Repeat("x", 3000) + `"}`,
		`{"a":"` + canary + strings.Repeat("x", 200_000) + `"}`,
		strings.Repeat(canary, 30_000),
		strings.Repeat(`{"`+canary+`":`, 20_000),
	}
	for i, text := range texts {
		s.src.Put(fmt.Sprint("object", i), []byte(text))
	}
	s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		switch {
		case strings.Contains(string(rec.Data), " panic"):
			panic(string(rec.Data))
		case strings.Contains(string(rec.Data), " slice"):
			_ = rec.Data[len(rec.Data)+1]
		case strings.Contains(string(rec.Data), " partial"):
			return processor.NewPartialRetry("half", rec.Data)
		case strings.Contains(string(rec.Data), " badjson"):
			out.Emit([]byte(canary))
			return nil
		case strings.Contains(string(rec.Data), " empty"):
			out.End()
			return nil
		}
		out.Emit(rec.Data)
		return nil
	})
	var calls atomic.Int64
	s.hook = func(context.Context, []sink.Message) error {
		if calls.Add(1) < 3 {
			return errors.New("no")
		}
		return nil
	}
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.Positive(t, resp.CorruptionErrors)
	assert.Positive(t, resp.RetryErrors)
	for _, text := range resp.Errors {
		assert.NotContains(t, text, canary)
		assert.LessOrEqual(t, len(text), 256)
	}
	require.NotEmpty(t, logs.All())
	for _, line := range logs.All() {
		text := line.Message + fmt.Sprint(line.ContextMap())
		assert.NotContains(t, text, canary)
	}
	for _, folder := range []string{"corrupt", "retry"} {
		for _, e := range s.envelopes(folder) {
			assert.NotContains(t, e.Reason, canary, "reasons hold no payload")
			assert.NotEmpty(t, e.Reason)
		}
	}
}

// Errors are distinct, bounded in number, and name operation and object.
func TestErrorsAreFewAndNamed(t *testing.T) {
	s := newScene(t)
	for i := range 100 {
		s.src.Put(fmt.Sprint("bad", i), []byte("{oops}\n{oops}\n"))
	}
	s.src.Put("broken", []byte("{}"))
	s.src.OnOpen = brokenObject("broken")
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.LessOrEqual(t, len(resp.Errors), 20)
	assert.NotEmpty(t, resp.Errors)
	seen := map[string]bool{}
	for _, e := range resp.Errors {
		assert.False(t, seen[e])
		seen[e] = true
	}
	_, err = json.Marshal(resp)
	require.NoError(t, err)
}

// A fatal error of a part stops the run, is reported once, and leaves all else
// given back.
func TestErrorsFatalStopsTheRun(t *testing.T) {
	s := manyObjects(t)
	s.hook = func(context.Context, []sink.Message) error { return fatal }
	resp, err := s.run(t.Context())
	require.ErrorIs(t, err, errNoQueue)
	assert.Equal(t, processor.StatusError, resp.Status)
	assert.Equal(t, 1, strings.Count(strings.Join(resp.Errors, "\n"), errNoQueue.Error()), "reported once: %q", resp.Errors)
	assert.Equal(t, 1, strings.Count(err.Error(), errNoQueue.Error()))
	n, err := s.store.Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n.Processing)
	s.hook = nil
	s.drainedNow()
	s.exactlyOnce()
	s.noAttempts()
}
