//go:build linux

package chaostest

import (
	"context"
	"net"
	"os/exec"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/redis"
	"github.com/unspool-go/unspool/internal/testtool"
)

// kindRedis is claim/redis on one server.
const kindRedis = "redis"

// openRedis opens the store as a worker has it.
func openRedis(addr string) (*redis.Store, error) {
	client := goredis.NewClient(&goredis.Options{
		Addr: addr, ContextTimeoutEnabled: true, DialTimeout: time.Second, MaxRetries: -1,
	})
	return redis.New(client, redis.Config{Buckets: 1 << 12})
}

// redisServer is a Redis with its data in a folder.
type redisServer struct {
	listen   string
	folder   string
	settings []string
	cmd      *exec.Cmd
	done     chan struct{}
}

// durable are the settings of a server that keeps what it has acknowledged.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func startRedis(t testing.TB, settings ...string) *redisServer {
	s := &redisServer{listen: testtool.Addr(t), folder: t.TempDir(), settings: settings}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start(t testing.TB) {
	_, port, err := net.SplitHostPort(s.listen)
	require.NoError(t, err)
	s.cmd = exec.Command(testtool.Find(t, "redis-server"),
		append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.folder, "--save", ""}, s.settings...)...)
	require.NoError(t, s.cmd.Start())
	done := make(chan struct{})
	s.done = done
	go func() {
		_ = s.cmd.Wait() // it is always killed
		close(done)
	}()
	client := s.client()
	defer client.Close()
	require.Eventually(t, func() bool { return client.Ping(context.Background()).Err() == nil }, time.Minute, 10*time.Millisecond, "redis-server does not answer")
}

func (s *redisServer) client() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: s.listen, MaxRetries: -1})
}

func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *redisServer) addr() string { return s.listen }

func (s *redisServer) restart(t testing.TB) {
	s.kill()
	s.start(t)
}
