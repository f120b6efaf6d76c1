package redis_test

import (
	"context"
	"flag"
	"net"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim/redis"
	"github.com/unspool-go/unspool/internal/testtool"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(silence{}) // faults are made on purpose
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // most of the time leases expire
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// server is a Redis of one test.
type server struct {
	addr string
	cmd  *exec.Cmd
}

// start starts a server on a port of its own, with settings beside those that
// make it quiet. It ends with the test.
func start(t testing.TB, settings ...string) *server {
	t.Helper()
	return startIn(t, t.TempDir(), settings...)
}

// startIn starts a server that keeps its files in dir.
func startIn(t testing.TB, dir string, settings ...string) *server {
	t.Helper()
	s := &server{addr: testtool.Addr(t)}
	s.run(t, dir, settings...)
	return s
}

// run starts the server, at first or again.
func (s *server) run(t testing.TB, dir string, settings ...string) {
	t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", ""}, settings...)
	s.cmd = exec.Command(testtool.Find(t, "redis-server"), args...)
	probe := goredis.NewClient(&goredis.Options{Addr: s.addr, MaxRetries: -1})
	defer probe.Close()
	testtool.Start(t, s.cmd, func() error { return probe.Ping(context.Background()).Err() })
}

// options are those of a client of the server. Its time-outs are long: a test
// that wants short ones says so.
func (s *server) options() *goredis.Options {
	return &goredis.Options{
		Addr:                  s.addr,
		ContextTimeoutEnabled: true,
		ReadTimeout:           30 * time.Second,
		WriteTimeout:          30 * time.Second,
		MinRetryBackoff:       time.Millisecond,
		MaxRetryBackoff:       time.Millisecond,
		PoolSize:              1000, // a pool that met so many failures waits a second
	}
}

func (s *server) client(t testing.TB) *goredis.Client {
	t.Helper()
	return connect(t, s.options())
}

func connect(t testing.TB, o *goredis.Options) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// names makes prefixes that were not used before.
var names atomic.Int64

func prefix() string { return "test" + strconv.FormatInt(names.Add(1), 10) }

// store returns a store of its own on c.
func store(t testing.TB, c goredis.UniversalClient, cfg redis.Config) *redis.Store {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = prefix()
	}
	s, err := redis.New(c, cfg)
	require.NoError(t, err)
	return s
}
