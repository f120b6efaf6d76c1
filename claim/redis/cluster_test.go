package redis_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
)

// startCluster starts three masters and forms a Cluster of them. It returns
// their addresses.
func startCluster(t testing.TB) []string {
	t.Helper()
	ctx := t.Context()
	var (
		addrs []string
		nodes []*goredis.Client
		buses []string
	)
	for range 3 {
		bus := strconv.Itoa(testtool.Port(t))
		s := start(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "60000",
			"--cluster-require-full-coverage", "no", "--cluster-config-file", "nodes.conf")
		addrs, buses, nodes = append(addrs, s.addr), append(buses, bus), append(nodes, s.client(t))
	}
	host, port, err := net.SplitHostPort(addrs[0])
	require.NoError(t, err)
	for i, n := range nodes {
		require.NoError(t, n.Do(ctx, "cluster", "addslotsrange", i*16384/3, (i+1)*16384/3-1).Err())
		require.NoError(t, n.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		if i > 0 {
			require.NoError(t, n.Do(ctx, "cluster", "meet", host, port, buses[0]).Err())
		}
	}
	require.Eventually(t, func() bool {
		for _, n := range nodes {
			info, err := n.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") ||
				!strings.Contains(info, "cluster_slots_assigned:16384") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	}, 2*time.Minute, 20*time.Millisecond, "the cluster does not form")
	return addrs
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// clusterClient returns a client of a Cluster, that dials as it is told.
func clusterClient(t testing.TB, addrs []string, dial dialer) *goredis.ClusterClient {
	t.Helper()
	c := goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs:                 slices.Clone(addrs),
		ContextTimeoutEnabled: true,
		ReadTimeout:           30 * time.Second,
		WriteTimeout:          30 * time.Second,
		MaxRedirects:          2,
		MinRetryBackoff:       time.Millisecond,
		MaxRetryBackoff:       time.Millisecond,
		DialerRetries:         1,
		PoolSize:              1000,
		Dialer:                dial,
	})
	t.Cleanup(func() {
		if err := c.Close(); !errors.Is(err, net.ErrClosed) { // a test may have cut its connections
			require.NoError(t, err)
		}
	})
	return c
}
