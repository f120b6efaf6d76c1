package lambda

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/redis"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// The same day with the functions as they are deployed and a real Redis, whose clock
// cannot be moved: a minute takes a twentieth of a second.
func TestDayWithRedis(t *testing.T) {
	if testtool.Brief() {
		t.Skip("at full scale only: a day takes more than a minute")
	}
	t.Parallel()
	const minute = 50 * time.Millisecond
	w := newWorld(t)
	var calls atomic.Int64
	w.queue.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Operation != "SendMessageBatch" || calls.Add(1)%3 != 0 {
			return sqstest.Fault{}
		}
		return sqstest.Fault{Delay: 8 * minute}
	})
	url, store := startRedis(t)
	root := t.TempDir()
	spool, archive := filepath.Join(root, "in"), filepath.Join(root, "archive")
	require.NoError(t, os.Mkdir(spool, 0o700))
	require.NoError(t, os.Mkdir(archive, 0o700))
	p := w.place(t, "day")
	p.settings = map[string]string{
		"SOURCE": spool, "ARCHIVE": archive, "ASIDE": filepath.Join(root, "aside"), "CLAIMS": url, "QUEUE": "day",
		// Leases and drains are not of the day's time: a busy machine must neither lose
		// a lease nor give up a call of the queue that is under way.
		"PROCESSOR": fmt.Sprintf("{lease: 1m, deadlineReduction: %v}", drain), "AFTER": "0s", "FORGET": "0s", "GRACE": "0s",
	}
	instances := pool{start: func(function string) *lambdatest.Function { return p.start(t, modes[0], function) }}
	d := &day{
		minute: minute, minutes: 24 * 60, drain: drain, spool: spool, take: instances.take, give: instances.give,
		abandon: func(key string) {
			_, err := store.Claim(t.Context(), "dead", key, []string{key}, minute)
			require.NoError(t, err)
		},
	}
	d.pass(t)
	d.close(t, archive, p.delivered, func() claim.Counts {
		counts, err := store.Count(t.Context())
		require.NoError(t, err)
		return counts
	})
}

// startRedis starts a server of the test's own, and returns the URL of a claim store on
// it, and the store.
func startRedis(t *testing.T) (string, *redis.Store) {
	t.Helper()
	server := testtool.Find(t, "redis-server")
	addr := testtool.Addr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cmd := exec.Command(server, "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "")
	client := goredis.NewClient(&goredis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	testtool.Start(t, cmd, func() error { return client.Ping(t.Context()).Err() })
	store, err := redis.New(client, redis.Config{Prefix: "day"})
	require.NoError(t, err)
	return "redis://" + addr + "/0?prefix=day", store
}

// pool keeps the instances of functions, as Lambda does: an invocation gets one that is
// free, or a new one.
type pool struct {
	start func(function string) *lambdatest.Function

	mu   sync.Mutex
	free map[string][]*lambdatest.Function
}

func (p *pool) take(function string) *lambdatest.Function {
	p.mu.Lock()
	defer p.mu.Unlock()
	free := p.free[function]
	if len(free) == 0 {
		return p.start(function) // which may end the test: it is the test that takes
	}
	p.free[function] = free[:len(free)-1]
	return free[len(free)-1]
}

func (p *pool) give(function string, f *lambdatest.Function) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free == nil {
		p.free = map[string][]*lambdatest.Function{}
	}
	p.free[function] = append(p.free[function], f)
}
