package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/s3"
	"github.com/unspool-go/unspool/transform"
)

// drain is a source that is drained into memory.
type drain struct {
	t      *testing.T
	src    *s3.Source
	claims *memory.Store
	queue  *sinkmemory.Sink
	cfg    processor.Config
}

func newDrain(t *testing.T, src *s3.Source) *drain {
	t.Helper()
	d := &drain{t: t, src: src, claims: memory.New(), queue: sinkmemory.New(sinkmemory.Config{})}
	dir := t.TempDir()
	d.cfg = processor.Config{
		Source: src, Claimer: d.claims, Sink: d.queue,
		Transform: transform.MustProject("id"),
		Pack:      processor.Pack{Mode: processor.PackSingle},
		RetryURL:  dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
		RetryDelay: time.Millisecond,
	}
	return d
}

// run drains until a run has nothing to complain of.
func (d *drain) run() *processor.Response {
	d.t.Helper()
	service, err := processor.New(d.cfg)
	require.NoError(d.t, err)
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Minute)
	defer cancel()
	for {
		report, err := service.Run(ctx)
		if err == nil {
			return report.BaseResponse()
		}
		if ctx.Err() != nil || !errors.Is(err, errFault) && !strings.Contains(err.Error(), "SlowDown") && !strings.Contains(err.Error(), "XML") && !strings.Contains(err.Error(), "cut") {
			d.t.Fatal(err)
		}
	}
}

// delivered returns what was sent, sorted.
func (d *drain) delivered() []string {
	var got []string
	for _, m := range d.queue.Messages() {
		got = append(got, string(m.Body))
	}
	slices.Sort(got)
	return got
}

var errFault = errors.New("connection reset by peer")

// records stores n small objects of one record, and one large of many.
func records(put func(name, body string), n int) (want []string) {
	record := func(id string) string {
		want = append(want, fmt.Sprintf(`{"id":%q}`, id))
		return fmt.Sprintf(`{"id":%q,"text":%q}`, id, strings.Repeat("x", 100))
	}
	for i := range n {
		put(fmt.Sprintf("in/day=%d/%05d.json", i%7, i), record(fmt.Sprintf("small-%05d", i)))
	}
	var b strings.Builder
	large := 20_000
	if testtool.Brief() {
		large = 6_000
	}
	for i := range large {
		b.WriteString(record(fmt.Sprintf("large-%05d", i)) + "\n")
	}
	put("in/large.json", b.String())
	slices.Sort(want)
	return want
}

// Listings and bodies are cut, refused and corrupted at random: nothing is lost,
// and nothing comes twice.
func TestDrainUnderFaults(t *testing.T) {
	f := &fake{pageSize: 100}
	n := 1500
	if testtool.Brief() {
		n = 300
	}
	want := records(func(name, body string) { f.put(name, body) }, n)
	random, mu := rand.New(rand.NewPCG(1, 2)), sync.Mutex{}
	faults := 0
	f.alter = func(r *http.Request, resp *http.Response) {
		mu.Lock()
		defer mu.Unlock()
		if resp.StatusCode >= 300 || random.IntN(20) > 0 {
			return
		}
		faults++
		switch random.IntN(4) {
		case 0:
			cutAfter(random.IntN(200), nil)(resp)
		case 1:
			cutAfter(random.IntN(20_000), errFault)(resp)
		case 2:
			*resp = *refusal(r, 503, "SlowDown")
		case 3:
			if operation(r) == "GetObject" && resp.StatusCode == http.StatusOK {
				resp.Body = io.NopCloser(&flipping{r: resp.Body})
			}
		}
	}
	d := newDrain(t, open(t, f, s3.Config{PartBytes: 300_000, AheadBytes: 600_000}))
	d.run()
	d.run()
	assert.Len(t, d.queue.Messages(), len(want))
	assert.Equal(t, want, d.delivered())
	mu.Lock()
	defer mu.Unlock()
	assert.Positive(t, faults)
	for _, folder := range []string{d.cfg.RetryURL, d.cfg.FailedURL, d.cfg.CorruptionURL} {
		_, err := os.Stat(folder)
		assert.ErrorIs(t, err, fs.ErrNotExist, "nothing failed by itself")
	}
}

func TestDrainAndArchiveOnARealServer(t *testing.T) {
	server := startServer(t)
	for name, archive := range map[string]func(d *drain, cfg *processor.ArchiveConfig) func() int{
		"delete": func(_ *drain, cfg *processor.ArchiveConfig) func() int {
			cfg.Delete = true
			return nil
		},
		"to a folder": func(d *drain, cfg *processor.ArchiveConfig) func() int {
			cfg.To = filepath.Join(d.t.TempDir(), "done")
			return func() int {
				n := 0
				require.NoError(d.t, filepath.WalkDir(cfg.To, func(_ string, e fs.DirEntry, err error) error {
					if err == nil && !e.IsDir() {
						n++
					}
					return err
				}))
				return n
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			src, put := server.source(t, s3.Config{PartBytes: 300_000})
			want := records(put, 100)
			d := newDrain(t, src)
			resp := d.run()
			assert.EqualValues(t, 101, resp.Finished)
			assert.Equal(t, want, d.delivered())

			put("in/new.json", `{"id":"new"}`)
			cfg := processor.ArchiveConfig{Source: src, Claims: d.claims}
			count := archive(d, &cfg)
			report, err := processor.Archive(t.Context(), cfg)
			require.NoError(t, err)
			assert.EqualValues(t, 101, report.Archived, "%+v", report)
			assert.EqualValues(t, 1, report.Unfinished)
			assert.Equal(t, []string{"new.json"}, keys(t, src))
			if count != nil {
				assert.Equal(t, 101, count())
			}
			resp = d.run()
			assert.EqualValues(t, 1, resp.Finished)
			assert.Len(t, d.delivered(), len(want)+1)
		})
	}
}
