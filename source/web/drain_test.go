package web_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/web"
	"github.com/unspool-go/unspool/transform"
)

// tree is a server over files in memory, which lists as nginx does.
type tree map[string]string

func (files tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	folder, isFolder := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.URL.Path == "/" {
		folder, isFolder = "", true
	}
	if !isFolder {
		content, found := files[folder]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"`+fmt.Sprint(len(content))+`"`)
		http.ServeContent(w, r, "", day.Add(-time.Hour), strings.NewReader(content))
		return
	}
	var entries []string
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(files)) {
		rest, inside := strings.CutPrefix(key, path.Join(folder, "x")[:len(path.Join(folder, "x"))-1])
		name, _, nested := strings.Cut(rest, "/")
		switch {
		case !inside || seen[name]:
		case nested:
			seen[name] = true
			entries = append(entries, fmt.Sprintf(`{ "name":%q, "type":"directory", "mtime":%q }`, name, at(day)))
		default:
			entries = append(entries, fmt.Sprintf(`{ "name":%q, "type":"file", "mtime":%q, "size":%d }`, name, at(day.Add(-time.Hour)), len(files[key])))
		}
	}
	_, _ = io.WriteString(w, "[\r\n"+strings.Join(entries, ",\r\n")+"\r\n]")
}

// faulty is a network that goes wrong as a seed decides.
type faulty struct {
	next http.RoundTripper
	mu   sync.Mutex
	r    *rand.Rand
	met  map[string]int
	well bool
}

// fault draws one of the faults that can befall a request.
func (f *faulty) fault(listing bool) (string, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.well {
		return "", 0
	}
	faults := []string{"refused", "overloaded", "cut", "cut", "truncated", "truncated", "stalled", "slow"}
	if listing {
		faults = append(faults, "corrupted")
	}
	if f.r.IntN(10) < 6 {
		return "", 0
	}
	fault := faults[f.r.IntN(len(faults))]
	f.met[fault]++
	return fault, f.r.IntN(3000)
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	fault, n := f.fault(strings.HasSuffix(r.URL.Path, "/"))
	switch fault {
	case "refused":
		return nil, fmt.Errorf("connection refused")
	case "overloaded":
		return answerOf("503 Service Unavailable"), nil
	}
	resp, err := f.next.RoundTrip(r)
	if err != nil || fault == "" || r.Method == http.MethodHead {
		return resp, err
	}
	if resp.ContentLength > 10_000 {
		n *= int(resp.ContentLength / 3000)
	}
	resp.Body = &faultyBody{ReadCloser: resp.Body, ctx: r.Context(), fault: fault, left: n}
	return resp, nil
}

// faultyBody is a body with a fault so many bytes into it.
type faultyBody struct {
	io.ReadCloser
	ctx   context.Context
	fault string
	left  int
}

func (b *faultyBody) Read(p []byte) (int, error) {
	if b.left > 0 {
		n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
		b.left -= n
		return n, err
	}
	switch b.fault {
	case "cut":
		return 0, io.ErrUnexpectedEOF
	case "truncated":
		return 0, io.EOF
	case "stalled":
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	case "slow":
		b.left = 1 << 10
		time.Sleep(time.Second)
		return 0, nil
	case "corrupted":
		b.left = 1 << 30
		n, err := b.ReadCloser.Read(p[:min(len(p), 1)])
		if n == 1 {
			p[0] ^= 1 << (p[0] % 7)
		}
		return n, err
	}
	return 0, io.ErrUnexpectedEOF
}

// TestNothingIsLostOverABadNetwork: whatever goes wrong in the middle of listings
// and of objects, every record arrives, and arrives once.
func TestNothingIsLostOverABadNetwork(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { drain(t, uint64(seed)) })
		})
	}
}

func drain(t *testing.T, seed uint64) {
	files, want := tree{}, map[string]int{}
	record := func(key string, n int) string {
		r := fmt.Sprintf(`{"id":"%s-%d"}`, key, n)
		want[r]++
		return r + "\n"
	}
	for i := range 150 {
		key := fmt.Sprintf("%s/tweet & +%%41 %03d.json", []string{"a", "b/c"}[i%2], i)
		for n := range 1 + i%5 {
			files[key] += record(key, n)
		}
	}
	large := 20_000
	if testing.Short() { // as under the race detector
		large = 4_000
	}
	for i := range 3 { // what is read piece by piece
		key := fmt.Sprintf("large-%d.json", i)
		var b strings.Builder
		for n := range large {
			b.WriteString(record(key, n))
		}
		files[key] = b.String()
	}

	net := newPipes()
	server := http.Server{Handler: files}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(net) })
	defer serving.Wait()
	defer server.Close()
	transport := net.transport()
	defer transport.CloseIdleConnections()
	network := &faulty{next: transport, r: rand.New(rand.NewPCG(seed, 1)), met: map[string]int{}}
	src, err := web.New("http://files.example/", web.Config{Transport: network, Retries: 2})
	require.NoError(t, err)

	queue := sinkmemory.New(sinkmemory.Config{})
	dir := t.TempDir()
	service, err := processor.New(processor.Config{
		Source: src, Claimer: memory.New(), Sink: queue, Transform: transform.MustProject("id"),
		Pack:     processor.Pack{Mode: processor.PackLines},
		RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
		Concurrency: 4,
	})
	require.NoError(t, err)
	report := func(ctx context.Context) *processor.Response {
		reporter, err := service.Run(ctx)
		if err != nil {
			t.Log(err)
		}
		return reporter.BaseResponse()
	}
	for range 20 {
		resp := report(t.Context())
		require.Zero(t, resp.CorruptionErrors+resp.FailedErrors+resp.RetryErrors, "%v", resp.Errors)
	}
	network.mu.Lock()
	network.well = true
	met := network.met
	network.mu.Unlock()
	resp := report(t.Context())
	require.Equal(t, processor.StatusOK, resp.Status)
	require.Zero(t, resp.CorruptionErrors+resp.FailedErrors+resp.RetryErrors, "%v", resp.Errors)

	got := map[string]int{}
	for _, m := range queue.Messages() {
		for line := range bytes.Lines(m.Body) {
			got[string(bytes.TrimSuffix(line, []byte("\n")))]++
		}
	}
	assert.Len(t, got, len(want))
	require.True(t, maps.Equal(want, got), "every record once")
	assert.NotEmpty(t, met)
}
