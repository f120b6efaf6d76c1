package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/completiontest"
	"github.com/unspool-go/unspool/processor/completion/redis"
	"github.com/unspool-go/unspool/processor/fault"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(silence{}) // faults are made on purpose
	if addresses := os.Getenv(envObserver); addresses != "" {
		if err := observe(addresses); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// start starts a server for the rest of the test, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	addr := testtool.Addr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cmd := exec.Command(testtool.Find(t, "redis-server"), "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "")
	testtool.Start(t, cmd, testtool.Listening(addr))
	return addr
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// client returns a client that does not retry.
func client(t testing.TB, addr string, dial dialer) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{
		Addr: addr, Dialer: dial, DialerRetries: 1, MaxRetries: -1, ContextTimeoutEnabled: true,
		ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
	})
	t.Cleanup(func() {
		if err := c.Close(); !errors.Is(err, net.ErrClosed) { // a test may have cut its connections
			assert.NoError(t, err)
		}
	})
	return c
}

func store(t testing.TB, c goredis.UniversalClient, cfg redis.Config) *redis.Store {
	s, err := redis.New(c, cfg)
	require.NoError(t, err)
	return s
}

func TestConformance(t *testing.T) {
	addr := start(t)
	var (
		n      atomic.Int64
		prefix string
		direct net.Dialer
	)
	open := func(t testing.TB) completion.Store {
		prefix = "test" + string(rune('a'+n.Add(1)))
		return store(t, client(t, addr, direct.DialContext), redis.Config{Prefix: prefix})
	}
	completiontest.Run(t, open, completiontest.Options{
		Another: func(t testing.TB) completion.Store {
			return store(t, client(t, addr, direct.DialContext), redis.Config{Prefix: prefix})
		},
		Faulty: func(t testing.TB) (completion.Store, func(bool)) {
			var network claimtest.Network
			return store(t, client(t, addr, network.DialContext), redis.Config{Prefix: prefix}), network.Mute
		},
	})
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := redis.New(nil, redis.Config{Prefix: "a b", Keep: -1})
	for _, text := range []string{"client is nil", "Prefix is", "Keep is"} {
		require.ErrorContains(t, err, text)
	}
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
}

// A set is kept from the last time on that something happened to it, and no longer.
func TestKeep(t *testing.T) {
	var direct net.Dialer
	c := client(t, start(t), direct.DialContext)
	s, set := store(t, c, redis.Config{Prefix: "p", Keep: time.Hour}), completion.Set{Bucket: "b", Run: "1"}
	hash := "p:{" + set.ID() + "}"
	left := func() [2]time.Duration {
		var d [2]time.Duration
		for i, key := range []string{hash, hash + ":a"} {
			ttl, err := c.PTTL(t.Context(), key).Result()
			require.NoError(t, err)
			d[i] = ttl
		}
		return d
	}
	shorten := func() {
		for _, key := range []string{hash, hash + ":a"} {
			require.NoError(t, c.Expire(t.Context(), key, time.Minute).Err())
		}
	}
	_, err := s.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
	require.NoError(t, err)
	for _, d := range left() {
		assert.Greater(t, d, 30*time.Minute)
	}
	shorten()
	_, err = s.Swap(t.Context(), set, completion.Change{Arrivals: 1})
	require.NoError(t, err)
	for _, d := range left() {
		assert.Greater(t, d, 30*time.Minute)
	}
	shorten()
	_, err = s.Arrive(t.Context(), set, []completion.Arrival{completion.Object("b", 0)})
	require.NoError(t, err)
	for _, d := range left() {
		assert.Greater(t, d, 30*time.Minute)
	}
	require.NoError(t, s.Forget(t.Context(), set))
	rec, err := s.Look(t.Context(), set)
	require.NoError(t, err)
	assert.Zero(t, rec)
}

// What may arrive at most is counted exactly, as much of it as one script takes.
func TestGreatestCounts(t *testing.T) {
	var direct net.Dialer
	s, set := store(t, client(t, start(t), direct.DialContext), redis.Config{}), completion.Set{Bucket: "b"}
	var arrivals []completion.Arrival
	for i := range 1001 {
		a := completion.Arrival{Key: fmt.Sprint(i), Objects: completion.MaxCount, Records: completion.MaxCount - 1}
		require.NoError(t, a.Check())
		arrivals = append(arrivals, a)
	}
	n, err := s.Arrive(t.Context(), set, arrivals)
	require.NoError(t, err)
	assert.Equal(t, 1001, n)
	rec, err := s.Look(t.Context(), set)
	require.NoError(t, err)
	assert.Equal(t, completion.Count{Arrivals: 1001, Objects: 1001 * completion.MaxCount, Records: 1001 * (completion.MaxCount - 1)}, rec.Count)
}

func TestErrorsAreClassified(t *testing.T) {
	var direct net.Dialer
	addr := start(t)
	c := client(t, addr, direct.DialContext)
	s, set := store(t, c, redis.Config{Prefix: "p"}), completion.Set{Bucket: "b"}
	require.NoError(t, c.Set(t.Context(), "p:{"+set.ID()+"}", "no hash", 0).Err())
	_, err := s.Look(t.Context(), set)
	assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
	_, err = s.Swap(t.Context(), set, completion.Change{})
	assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)

	closed := goredis.NewClient(&goredis.Options{Addr: addr})
	require.NoError(t, closed.Close())
	_, err = store(t, closed, redis.Config{}).Look(t.Context(), set)
	assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)

	refuse := func(_ context.Context, network, _ string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("refused")}
	}
	s = store(t, client(t, addr, refuse), redis.Config{Prefix: "p"})
	_, err = s.Look(t.Context(), set)
	assert.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)
}
