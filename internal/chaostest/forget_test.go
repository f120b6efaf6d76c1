//go:build linux

package chaostest

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/faultproxy"
)

// Stores that do not keep all that they acknowledged. Nothing is lost, and only
// what they forgot comes again for that.
func TestFleetWithAStoreThatForgets(t *testing.T) {
	large := options{files: 400, workers: 3, kills: 1, restarts: 2, lease: 2 * time.Second, rate: 300}
	small := options{files: 150, workers: 2, restarts: 1, lease: time.Second, rate: 300}
	for _, c := range []struct {
		name, kind string
		start      func(testing.TB) server
	}{
		{"everything", kindRemote, func(t testing.TB) server {
			s := startRemote(t)
			s.forgetful = true
			return s
		}},
		{"everything in Redis", kindRedis, func(t testing.TB) server { return &emptiedRedis{startRedis(t)} }},
		{"since a snapshot of Redis", kindRedis, func(t testing.TB) server { return &snapshotRedis{startRedis(t)} }},
		{"what had not reached a replica", kindRedis, func(t testing.TB) server { return startReplicated(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !whole && c.kind != kindRemote {
				t.Skip("only with UNSPOOL_FULL=1, as .ci/run does")
			}
			f := newFleet(t, sized(large, small).fromEnvironment(t), c.kind, c.start(t))
			f.batch = 10
			v := f.run()
			v.require(t)
			assert.Positive(t, v.again[byLoss], "something was forgotten")
		})
	}
}

// emptiedRedis writes nothing down.
type emptiedRedis struct{ *daemon }

func (r *emptiedRedis) restart(t testing.TB, meanwhile func()) (kept moment, crash span) {
	meanwhile()
	_, crash = r.daemon.restart(t, nil)
	return 0, crash
}

// snapshotRedis has no log of what it does, but a snapshot, and begins there
// again.
type snapshotRedis struct{ *daemon }

func (r *snapshotRedis) restart(t testing.TB, meanwhile func()) (kept moment, crash span) {
	client := direct(t, r.listen)
	kept = now()
	require.NoError(t, client.Save(t.Context()).Err())
	meanwhile()
	_, crash = r.daemon.restart(t, nil)
	return kept, crash
}

// replicated is a server of Redis and its replica. When the server dies its
// replica takes its place, and a new one follows that.
type replicated struct {
	front  *faultproxy.Proxy // between the workers and the server
	follow *faultproxy.Proxy // between the server and its replica
	server *daemon
	second *daemon
}

func startReplicated(t testing.TB) *replicated {
	r := &replicated{server: startRedis(t)}
	for _, p := range []**faultproxy.Proxy{&r.front, &r.follow} {
		var err error
		*p, err = faultproxy.Start(r.server.listen, nil)
		require.NoError(t, err)
		t.Cleanup((*p).Close)
	}
	r.second = r.replica(t)
	r.inStep(t)
	return r
}

// replica starts a server that follows.
func (r *replicated) replica(t testing.TB) *daemon {
	host, port, err := net.SplitHostPort(r.follow.Addr())
	require.NoError(t, err)
	return startRedis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
}

func (r *replicated) addr() string { return r.front.Addr() }

// restart holds up what the replica is sent, and then has the server die.
func (r *replicated) restart(t testing.TB, meanwhile func()) (kept moment, crash span) {
	kept = r.inStep(t)
	r.follow.Set(faultproxy.Fault{Hole: true})
	meanwhile()
	crash.from = now()
	r.server.kill()
	require.NoError(t, direct(t, r.second.listen).ReplicaOf(t.Context(), "NO", "ONE").Err())
	r.follow.Redirect(r.second.listen) // nothing that was held up may arrive
	r.follow.Heal()
	r.front.Redirect(r.second.listen)
	crash.to = now()
	r.server, r.second = r.second, r.replica(t)
	return kept, crash
}

// inStep waits until the replica has all that was acknowledged before a moment,
// and returns that.
func (r *replicated) inStep(t testing.TB) moment {
	server, second := direct(t, r.server.listen), direct(t, r.second.listen)
	require.Eventually(t, func() bool { return replication(t, second, "master_link_status") == "up" }, patience, 10*time.Millisecond)
	kept := now()
	reached := offset(t, server, "master_repl_offset")
	require.Eventually(t, func() bool { return offset(t, second, "slave_repl_offset") >= reached }, patience, 10*time.Millisecond)
	return kept
}

// direct returns a client of a server, without anything between them.
func direct(t testing.TB, addr string) *goredis.Client {
	client := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	return client
}

// replication returns a field of what a server tells of its replication.
func replication(t testing.TB, client *goredis.Client, field string) string {
	info, err := client.Info(context.Background(), "replication").Result()
	require.NoError(t, err)
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value
		}
	}
	return ""
}

// offset returns a number that replication has.
func offset(t testing.TB, client *goredis.Client, field string) int64 {
	n, err := strconv.ParseInt(replication(t, client, field), 10, 64)
	require.NoError(t, err)
	return n
}
