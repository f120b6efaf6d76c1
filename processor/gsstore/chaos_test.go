package gsstore_test

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	claimmemory "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/gsstore"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// weather makes requests fail at random: one in ten, and sometimes all of them
// for a while. Those that write do so only in a storm: a part that cannot be
// written before a deadline is given back with the records around it, which may
// come again then.
type weather struct {
	runs  atomic.Int64 // under way: whoever looks at the results has fine weather
	mu    sync.Mutex
	rand  *rand.Rand
	storm bool
	left  int       // faults to come: there must be an end
	away  time.Time // until when everything fails
}

func (w *weather) fault(op string, _ *http.Request) gcsfake.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 || w.runs.Load() == 0 || op == "insert" && !w.storm {
		return gcsfake.Fault{}
	}
	kind := w.rand.IntN(60)
	if time.Now().Before(w.away) {
		kind %= 2
	}
	if kind > 5 {
		return gcsfake.Fault{}
	}
	w.left--
	switch kind {
	case 0:
		return gcsfake.Fault{Drop: true}
	case 1:
		return gcsfake.Fault{Status: http.StatusServiceUnavailable}
	case 2:
		return gcsfake.Fault{Status: http.StatusTooManyRequests, Reason: "rateLimitExceeded"}
	case 3:
		return gcsfake.Fault{Wait: time.Duration(w.rand.IntN(300)) * time.Millisecond}
	case 4:
		w.away = time.Now().Add(time.Duration(w.rand.IntN(2000)) * time.Millisecond)
		return gcsfake.Fault{Drop: true}
	}
	return gcsfake.Fault{Lose: op != "read", Cut: 50} // of a part that is read, or a listing
}

// over has the weather know when runs begin and end.
func (w *weather) over(cfg processor.Config) processor.Config {
	cfg.NewReporter = func() processor.Reporter {
		w.runs.Add(1)
		return processor.NewReporter()
	}
	cfg.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.InfoLevel),
		zap.Hooks(func(e zapcore.Entry) error {
			if e.Message == "run finished" {
				w.runs.Add(-1)
			}
			return nil
		}))
	return cfg
}

// Every guarantee holds with destinations in a Cloud Storage that fails, whatever
// else goes wrong.
func TestGuaranteesInBadWeather(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes under the race detector on a busy machine")
	}
	synctest.Test(t, func(t *testing.T) {
		processortest.Run(t, func(h *processortest.Harness) processor.Config {
			w := &weather{rand: rand.New(rand.NewPCG(h.Seed, 3)), storm: h.Storm, left: 300}
			server := &gcsfake.Server{Fault: w.fault, PageSize: 3}
			client, err := server.Client()
			require.NoError(t, err)
			require.NoError(t, gsstore.Register(client, gsstore.Config{}))
			kept := sinkmemory.New(sinkmemory.Config{Limits: sink.Limits{MessageBytes: 64 << 10, BatchBytes: 256 << 10, BatchMessages: 10}})
			h.Received = func() (bodies [][]byte) {
				for _, m := range kept.Messages() {
					bodies = append(bodies, m.Body)
				}
				return bodies
			}
			// As Config of the harness, but for its transform: part of a record may
			// well come again where a destination fails.
			return w.over(processor.Config{
				Source: h.Source, Claimer: h.Claimer(claimmemory.New()), Sink: h.Sink(kept), Transform: &clumsy{tried: map[string]bool{}},
				RetryURL: "gs://bucket/retry", FailedURL: "gs://bucket/failed", CorruptionURL: "gs://bucket/corrupt",
				Concurrency: 2, ClaimBlock: 8, Lease: 4 * time.Second, SendTimeout: time.Second,
				Split:      source.Split{MaxRecordBytes: 1 << 20},
				RetryDelay: 100 * time.Millisecond, MaxRetries: 100,
			})
		})
	})
}

// clumsy fails with one record in twenty, the first time.
type clumsy struct {
	mu    sync.Mutex
	tried map[string]bool
}

func (c *clumsy) Apply(_ context.Context, rec source.Record, out *transform.Output) error {
	sum := crc32.ChecksumIEEE(rec.Data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := string(rec.Data); sum%20 == 0 && !c.tried[id] {
		c.tried[id] = true
		return errors.New("not at the first try")
	}
	out.Emit(rec.Data)
	return nil
}
