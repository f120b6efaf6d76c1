package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
)

// scene is a source, a claim store, a sink and three destinations, all of the
// test's own, and the configuration that joins them.
type scene struct {
	t      *testing.T
	src    *processortest.Source
	store  *memory.Store
	claims *processortest.Claims
	out    *sinkmemory.Sink
	hook   func(ctx context.Context, batch []sink.Message) error
	dir    string
	cfg    processor.Config
	loaded map[string]bool // ids put into the source
}

func newScene(t *testing.T) *scene { return newSceneWith(t, sink.Limits{}) }

func newSceneWith(t *testing.T, limits sink.Limits) *scene {
	s := &scene{t: t, src: &processortest.Source{}, store: memory.New(), dir: t.TempDir(), loaded: map[string]bool{}}
	s.claims = &processortest.Claims{Claimer: s.store}
	s.out = sinkmemory.New(sinkmemory.Config{Limits: limits, Hook: func(ctx context.Context, batch []sink.Message) error {
		if s.hook != nil {
			return s.hook(ctx, batch)
		}
		return nil
	}})
	s.cfg = processor.Config{
		Source: s.src, Claimer: s.claims, Sink: s.out,
		RetryURL: s.dir + "/retry", FailedURL: s.dir + "/failed", CorruptionURL: s.dir + "/corrupt",
		Concurrency: 2, Lease: time.Minute, SendTimeout: 5 * time.Second,
	}
	return s
}

// inMemory moves the destinations into memory, for tests of many small runs.
func (s *scene) inMemory() {
	s.dir = fmt.Sprintf("mem://localhost/%s-%d", s.t.Name(), scenes.Add(1))
	s.cfg.RetryURL, s.cfg.FailedURL, s.cfg.CorruptionURL = s.dir+"/retry", s.dir+"/failed", s.dir+"/corrupt"
}

// sized returns how much of something there is in a test: less where tests are to
// be brief, as under the race detector.
func sized(full, brief int) int {
	if testtool.Brief() {
		return brief
	}
	return full
}

// scenes counts the destinations in memory, which the process shares.
var scenes atomic.Int64

// put stores an object of n records with ids key/0, key/1 and so on, each about
// size bytes long.
func (s *scene) put(key string, n, size int) {
	var text strings.Builder
	for i := range n {
		id := fmt.Sprintf("%s/%d", key, i)
		s.loaded[id] = true
		fmt.Fprintf(&text, `{"id":%q,"pad":%q}`+"\n", id, strings.Repeat("x", size))
	}
	s.src.Put(key, []byte(text.String()))
}

func (s *scene) service() *processor.Service {
	s.t.Helper()
	svc, err := processor.New(s.cfg)
	require.NoError(s.t, err)
	return svc
}

// run drains once and returns the response.
func (s *scene) run(ctx context.Context) (*processor.Response, error) {
	s.t.Helper()
	rep, err := s.service().Run(ctx)
	require.NotNil(s.t, rep)
	s.age()
	resp := rep.BaseResponse()
	assert.Equal(s.t, resp.Loaded, resp.Delivered+resp.Dropped+resp.RetryErrors+resp.CorruptionErrors+resp.FailedErrors,
		"accounting: the fates of a response must add up to what was loaded")
	return resp, err
}

// drained runs until a run finds everything settled, and at most ten times.
func (s *scene) drained(ctx context.Context) {
	s.t.Helper()
	for range 10 {
		resp, err := s.run(ctx)
		if err == nil && resp.Status == processor.StatusOK && !s.retryLeft() {
			return
		}
		time.Sleep(time.Minute)
	}
	s.t.Error("not drained after ten runs")
}

// age makes the parts as old as the clock of the test says, which is not the
// clock of the file system.
func (s *scene) age() {
	s.t.Helper()
	if strings.HasPrefix(s.dir, "mem:") {
		return
	}
	require.NoError(s.t, filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, time.Now(), time.Now()))
	}))
}

func (s *scene) retryLeft() bool { return len(s.envelopes("retry")) > 0 }

// sent counts how often each id is in the sink.
func (s *scene) sent() map[string]int {
	counts := map[string]int{}
	for _, m := range s.out.Messages() {
		for _, id := range processortest.IDs(m.Body) {
			counts[id]++
		}
	}
	return counts
}

// envelopes are the records in a destination.
func (s *scene) envelopes(folder string) []destination.Envelope {
	s.t.Helper()
	store, err := destination.Open(destination.Config{URL: s.dir + "/" + folder})
	require.NoError(s.t, err)
	var found []destination.Envelope
	for part, err := range store.List(context.Background()) {
		require.NoError(s.t, err)
		body, err := store.Open(context.Background(), part.Name)
		require.NoError(s.t, err)
		for e, err := range destination.ReadEnvelopes(body, 64<<20) {
			require.NoError(s.t, err)
			e.Data = slices.Clone(e.Data)
			found = append(found, e)
		}
		require.NoError(s.t, body.Close())
	}
	return found
}

// ids are those of the records in a destination.
func (s *scene) ids(folder string) []string {
	var ids []string
	for _, e := range s.envelopes(folder) {
		ids = append(ids, gjson.GetBytes(e.Data, "id").String())
	}
	slices.Sort(ids)
	return ids
}

// exactlyOnce checks that every record of the source is in the sink once.
func (s *scene) exactlyOnce() {
	s.t.Helper()
	sent := s.sent()
	lost, twice := 0, 0
	var example string
	for id := range s.loaded {
		switch n := sent[id]; {
		case n == 0:
			lost++
			example = id
		case n > 1:
			twice++
			example = id
		}
	}
	if lost+twice > 0 {
		s.t.Errorf("of %d records %d are lost and %d were sent twice (%s)", len(s.loaded), lost, twice, example)
	}
}

// nothingLost checks that every record of the source is in the sink.
func (s *scene) nothingLost() {
	s.t.Helper()
	sent := s.sent()
	var lost []string
	for id := range s.loaded {
		if sent[id] == 0 {
			lost = append(lost, id)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		s.t.Errorf("of %d records %d are lost: %q …", len(s.loaded), len(lost), lost[:min(3, len(lost))])
	}
}

// brokenObject makes one object fail by its own fault, in the middle.
func brokenObject(key string) func(context.Context, source.Object, int64) processortest.ReadFault {
	return func(_ context.Context, o source.Object, _ int64) processortest.ReadFault {
		if o.Key == key {
			return processortest.ReadFault{Cut: errors.New("input/output error"), After: 100}
		}
		return processortest.ReadFault{}
	}
}

// copyRetry copies the retry destination, and returns what puts it back.
func (s *scene) copyRetry() func() {
	s.t.Helper()
	kept := s.t.TempDir()
	require.NoError(s.t, os.CopyFS(kept+"/retry", os.DirFS(s.dir+"/retry")))
	return func() {
		require.NoError(s.t, os.RemoveAll(s.dir+"/retry"))
		require.NoError(s.t, os.CopyFS(s.dir+"/retry", os.DirFS(kept+"/retry")))
		s.age()
	}
}

var (
	errNoQueue = errors.New("no such queue")
	fatal      = fault.Fatal(errNoQueue)
)

// drainedNow runs once and expects that to settle everything.
func (s *scene) drainedNow() {
	s.t.Helper()
	resp, err := s.run(s.t.Context())
	require.NoError(s.t, err)
	assert.Equal(s.t, processor.StatusOK, resp.Status)
}
