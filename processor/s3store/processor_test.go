package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/storage"

	claimmemory "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/processor/s3store"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// pipeline is a source and a sink in memory, with its destinations in S3.
type pipeline struct {
	t       *testing.T
	src     *processortest.Source
	out     *sinkmemory.Sink
	refuses func(id string) bool // by the transform; guarded by mu
	mu      sync.Mutex
	cfg     processor.Config
}

func newPipeline(t *testing.T, m *s3store.Manager, base string) *pipeline {
	afs.GetRegistry().Register("s3", func(...storage.Option) (storage.Manager, error) { return m, nil })
	p := &pipeline{t: t, src: &processortest.Source{}, out: sinkmemory.New(sinkmemory.Config{Limits: sink.Limits{BatchMessages: 10}})}
	p.cfg = processor.Config{
		Source: p.src, Claimer: claimmemory.New(), Sink: p.out, Concurrency: 2,
		RetryURL: base + "/retry", FailedURL: base + "/failed", CorruptionURL: base + "/corrupt",
		Transform: transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if ids := processortest.IDs(rec.Data); p.refuses != nil && p.refuses(ids[0]) {
				return errors.New("not now")
			}
			out.Emit(rec.Data)
			return nil
		}),
	}
	return p
}

// put stores n records with the ids key/0 and so on.
func (p *pipeline) put(key string, n int) {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"id":"%s/%d"}`+"\n", key, i)
	}
	p.src.Put(key, []byte(text.String()))
}

func (p *pipeline) refuse(which func(id string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = which
}

func (p *pipeline) run(ctx context.Context) (*processor.Response, error) {
	p.t.Helper()
	service, err := processor.New(p.cfg)
	require.NoError(p.t, err)
	rep, err := service.Run(ctx)
	require.NotNil(p.t, rep)
	return rep.BaseResponse(), err
}

// sent counts how often each id arrived.
func (p *pipeline) sent() map[string]int {
	counts := map[string]int{}
	for _, m := range p.out.Messages() {
		for _, id := range processortest.IDs(m.Body) {
			counts[id]++
		}
	}
	return counts
}

// once checks that n records arrived, each once.
func (p *pipeline) once(n int) {
	p.t.Helper()
	counts := p.sent()
	assert.Equal(p.t, n, len(counts)) //nolint:testifylint // they are not to be printed
	for id, count := range counts {
		assert.Equal(p.t, 1, count, id)
	}
}

// parts lists a destination.
func (p *pipeline) parts(url string) (parts []destination.Info) {
	p.t.Helper()
	store, err := destination.Open(destination.Config{URL: url})
	require.NoError(p.t, err)
	for part, err := range store.List(p.t.Context()) {
		require.NoError(p.t, err)
		parts = append(parts, part)
	}
	return parts
}

func even(id string) bool { return strings.HasSuffix(id, "0") || strings.HasSuffix(id, "2") }

// Records that fail are in S3 after one run, and delivered from there, once, by
// the next; those that fail too often, and those that are broken, stay.
func whatFailsIsRetriedFromS3(t *testing.T, m *s3store.Manager, base string) {
	p := newPipeline(t, m, base)
	p.cfg.RetryDelay = time.Millisecond
	for i := range 20 {
		p.put(fmt.Sprintf("folder %d/é+%%/%d.json", i%3, i), 10)
	}
	p.src.Put("broken.json", []byte(`{"id":"broken`))
	p.refuse(even)
	p.cfg.MaxExecTime, p.cfg.MaxRetries, p.cfg.RetryDelay = 0, 1000, time.Hour
	resp, err := p.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int64{160, 40, 1, 0}, []int64{resp.Delivered, resp.RetryErrors, resp.CorruptionErrors, resp.FailedErrors})
	assert.Equal(t, p.cfg.RetryURL, resp.RetryURL)
	parts := p.parts(p.cfg.RetryURL)
	assert.Len(t, parts, 20, "one for each object")
	for _, part := range parts {
		assert.Equal(t, 1, part.Attempt)
		assert.Regexp(t, `^folder \d/é\+%/\d+\.json$`, part.Key)
	}
	survey, err := processor.Survey(t.Context(), processor.InspectConfig{Claims: p.cfg.Claimer.(*claimmemory.Store), RetryURL: p.cfg.RetryURL, CorruptionURL: p.cfg.CorruptionURL})
	require.NoError(t, err)
	assert.EqualValues(t, 20, survey.Destinations[0].Parts)
	assert.EqualValues(t, 1, survey.Destinations[1].Parts)

	p.cfg.RetryDelay, p.cfg.MaxRetries = time.Nanosecond, 1
	p.refuse(func(id string) bool { return strings.HasSuffix(id, "19.json/2") })
	resp, err = p.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int64{39, 0, 0, 1}, []int64{resp.Delivered, resp.RetryErrors, resp.CorruptionErrors, resp.FailedErrors})
	p.once(199)
	assert.Empty(t, p.parts(p.cfg.RetryURL), "what is settled is deleted")
	assert.Len(t, p.parts(p.cfg.FailedURL), 1)
	assert.Len(t, p.parts(p.cfg.CorruptionURL), 1)

	outcomes, err := processor.Retry(t.Context(), processor.InspectConfig{
		Claims: p.cfg.Claimer.(*claimmemory.Store), Source: p.src, RetryURL: p.cfg.RetryURL, FailedURL: p.cfg.FailedURL,
	}, false, "folder 1/é+%/19.json")
	require.NoError(t, err)
	assert.Equal(t, processor.DidRetry, outcomes[0].Did)
	p.refuse(nil)
	resp, err = p.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, resp.Delivered)
	p.once(200)
	assert.Empty(t, p.parts(p.cfg.FailedURL))
}

// While S3 is away nothing is lost, counted or sent twice; when it is back, all
// arrives.
func TestOutageOfS3(t *testing.T) {
	for name, f := range map[string]s3fake.Fault{
		"drops":     {Drop: true},
		"is busy":   {Status: 503, Code: "SlowDown"},
		"loses all": {Lose: true},
		"hangs":     {Wait: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				server := &s3fake.Server{Fault: func(op string, r *http.Request) s3fake.Fault {
					if since := time.Since(began); since < 20*time.Second && op != "ListObjectsV2" {
						if f.Wait > 0 {
							return s3fake.Fault{Wait: 20*time.Second - since}
						}
						return f
					}
					return s3fake.Fault{}
				}}
				p := newPipeline(t, manager(t, server.Client()), "s3://bucket/x")
				for i := range 30 {
					p.put(fmt.Sprint(i), 10)
				}
				var mu sync.Mutex
				tries := map[string]int{}
				p.refuse(func(id string) bool {
					mu.Lock()
					defer mu.Unlock()
					tries[id]++
					return even(id) && tries[id] == 1
				})
				resp, err := p.run(t.Context())
				require.NoError(t, err)
				assert.Equal(t, processor.StatusOK, resp.Status)
				assert.Equal(t, []int64{60, 0}, []int64{resp.RetryErrors, resp.FailedErrors})
				assert.GreaterOrEqual(t, time.Since(began), 20*time.Second, "it was waited for")
				for _, part := range p.parts(p.cfg.RetryURL) {
					assert.Equal(t, 1, part.Attempt)
				}
				time.Sleep(time.Minute) // until they are due
				delivered := resp.Delivered
				resp, err = p.run(t.Context())
				require.NoError(t, err)
				assert.Equal(t, []int64{300 - delivered, 0, 0}, []int64{resp.Delivered, resp.RetryErrors, resp.FailedErrors})
				p.once(300)
				assert.Empty(t, server.Objects())
			})
		})
	}
}

// A run whose deadline comes while S3 is away returns in time and gives all back.
func TestOutageOfS3AtTheDeadline(t *testing.T) {
	for name, f := range map[string]s3fake.Fault{"drops": {Drop: true}, "hangs": {Wait: time.Hour}} {
		for size, n := range map[string]int{"small": 10, "spilled": 30_000} {
			if testing.Short() && f.Drop && n > 10 {
				continue // as where it hangs, which takes a second
			}
			t.Run(name+" "+size, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var back sync.Once
					away := make(chan struct{})
					server := &s3fake.Server{Fault: func(string, *http.Request) s3fake.Fault {
						select {
						case <-away:
							return s3fake.Fault{}
						default:
							return f
						}
					}}
					defer back.Do(func() { close(away) })
					p := newPipeline(t, manager(t, server.Client()), "s3://bucket/x")
					p.put("a", n)
					p.put("b", 10)
					p.refuse(func(id string) bool { return strings.HasPrefix(id, "a/") })
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					defer cancel()
					began := time.Now()
					resp, err := p.run(ctx)
					require.Error(t, err, "what could not be written is an error")
					assert.Less(t, time.Since(began), 30*time.Second)
					assert.Zero(t, resp.Abandoned)
					assert.Zero(t, resp.RetryErrors)
					assert.Empty(t, server.Objects())

					back.Do(func() { close(away) })
					p.refuse(nil)
					resp, err = p.run(t.Context())
					require.NoError(t, err)
					assert.Zero(t, resp.Held, "all was given back at once")
					p.once(n + 10)
					assert.Empty(t, server.Objects())
					assert.Zero(t, server.Uploads())
				})
			})
		}
	}
}

// What Do cannot process before its deadline is in S3 when it returns.
func TestDoLeavesItsRestInS3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := new(s3fake.Server)
		p := newPipeline(t, manager(t, server.Client()), "s3://bucket/$TimePath")
		p.cfg.RetryURL = "s3://bucket/retry"
		service, err := processor.New(p.cfg)
		require.NoError(t, err)
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, `{"id":"%d"}`+"\n", i)
		}
		p.refuse(func(string) bool { time.Sleep(50 * time.Millisecond); return false })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		rep, err := service.Do(ctx, &processor.Request{Reader: strings.NewReader(text.String()), SourceURL: "s3://bucket/in/a.json"})
		require.NoError(t, err)
		resp := rep.BaseResponse()
		assert.EqualValues(t, 1000, resp.Loaded)
		assert.Positive(t, resp.RetryErrors)
		assert.NotEmpty(t, server.Objects())

		p.refuse(nil)
		time.Sleep(time.Minute) // until it is due
		_, err = p.run(t.Context())
		require.NoError(t, err)
		p.once(1000)
		assert.Empty(t, server.Objects())
	})
}

// A corrupt object of 200 MB is streamed to S3 and never in memory.
func TestACorruptObjectIsStreamed(t *testing.T) {
	total := 200 << 20
	switch {
	case testing.Short():
		t.Skip("the race detector has memory of its own")
	case testtool.Brief():
		total = 60 << 20
	}
	var mu sync.Mutex
	var most uint64
	server := &s3fake.Server{Forget: true, Fault: func(op string, _ *http.Request) s3fake.Fault {
		if op == "UploadPart" {
			mu.Lock()
			defer mu.Unlock()
			most = max(most, alive())
		}
		return s3fake.Fault{}
	}}
	m, err := s3store.New(server.Client(), s3store.Config{PartBytes: pieceLen, Parallel: 2})
	require.NoError(t, err)
	p := newPipeline(t, m, "s3://bucket/x")
	before := alive()
	p.cfg.Source, p.cfg.Claimer = garbage{total}, claimmemory.New()
	p.cfg.MaxInFlightBytes = 11 << 20
	p.cfg.Split.MaxRecordBytes = 1 << 20
	resp, err := p.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 1}, []int64{resp.Loaded, resp.CorruptionErrors})
	size, ok := server.Size(server.Objects()[0])
	assert.True(t, ok)
	assert.Greater(t, size, int64(total)*4/3, "it is in base64")
	held := int64(most) - int64(before)
	// MaxInFlightBytes, and pieces: one being filled, two on their way, two in the
	// pool.
	assert.Less(t, held, int64(11<<20+5*pieceLen))
	t.Logf("%d MiB held for %d MiB", held>>20, size>>20)
}

// alive returns how many bytes of objects a collection has found in use: what
// others leave behind meanwhile does not count.
func alive() uint64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}

// garbage is a source of one object, a string that does not end.
type garbage struct{ size int }

func (g garbage) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		yield(source.Object{Key: "garbage", Size: int64(g.size)}, nil)
	}
}

func (g garbage) Open(_ context.Context, o source.Object, off, _ int64) (io.ReadCloser, source.Object, error) {
	if off > 0 {
		return nil, o, source.ErrNoRange
	}
	return io.NopCloser(io.MultiReader(strings.NewReader(`"`), io.LimitReader(xs{}, int64(g.size)-1))), o, nil
}

// xs is an endless reader.
type xs struct{}

func (xs) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte{'x'}, len(p))), nil
}
