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

// durable are the settings of a server that keeps what it has acknowledged.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func startRedis(t testing.TB, settings ...string) *daemon {
	program, folder := testtool.Find(t, "redis-server"), t.TempDir()
	d := &daemon{listen: testtool.Addr(t)}
	_, port, err := net.SplitHostPort(d.listen)
	require.NoError(t, err)
	d.command = func() *exec.Cmd {
		return exec.Command(program, append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", ""}, settings...)...)
	}
	client := goredis.NewClient(&goredis.Options{Addr: d.listen, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	d.answers = func() error { return client.Ping(context.Background()).Err() }
	d.start(t)
	t.Cleanup(d.kill)
	return d
}
