package redis_test

import (
	"errors"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/redis"
	"github.com/unspool-go/unspool/internal/testtool"
)

// fleet returns stores of their own, each with clients that connect makes.
func fleet(cfg redis.Config, connect func(t testing.TB, dial dialer) goredis.UniversalClient, oneServer string) func(t testing.TB) claimtest.Fleet {
	return func(t testing.TB) claimtest.Fleet {
		cfg := cfg
		cfg.Prefix = prefix()
		var direct net.Dialer
		f := claimtest.Fleet{
			Store: store(t, connect(t, direct.DialContext), cfg),
			Worker: func(t testing.TB, _ time.Duration) claim.Claimer { // which has no clock
				return store(t, connect(t, direct.DialContext), cfg)
			},
			Faulty: func(t testing.TB) claimtest.Faulty {
				var network claimtest.Network
				f := claimtest.Faulty{
					Store: store(t, connect(t, network.DialContext), cfg),
					Mute:  network.Mute,
					Away:  network.Away,
				}
				if oneServer != "" {
					f.Partly = func(on bool) { network.AwayFrom(oneServer, on) }
				}
				return f
			},
		}
		if c, ok := connect(t, direct.DialContext).(*goredis.Client); ok {
			f.Later = func(t testing.TB) { later(t, c, cfg.Prefix) }
		}
		return f
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := start(t)
	connect := func(t testing.TB, dial dialer) goredis.UniversalClient {
		o := s.options()
		o.Dialer, o.DialerRetries = dial, 1
		c := goredis.NewClient(o)
		t.Cleanup(func() {
			if err := c.Close(); !errors.Is(err, net.ErrClosed) { // a test may have cut its connections
				require.NoError(t, err)
			}
		})
		return c
	}
	t.Run("OneShard", func(t *testing.T) {
		t.Parallel()
		opts := claimtest.Options{Parallel: true}
		if testtool.Brief() {
			opts.Keys, opts.Workers = 600, 8
		}
		claimtest.RunFleet(t, fleet(redis.Config{}, connect, ""), opts)
	})
	t.Run("ManyShards", func(t *testing.T) {
		t.Parallel()
		cfg := redis.Config{Shards: 7, Buckets: 64}
		claimtest.RunFleet(t, fleet(cfg, connect, ""), sizes())
	})
	t.Run("Horizon", func(t *testing.T) {
		t.Parallel()
		cfg := redis.Config{Horizon: time.Hour, KeyTime: func(key string) (time.Time, bool) {
			return born.Add(time.Duration(len(key)%30) * time.Minute), len(key)%3 != 0
		}}
		claimtest.RunFleet(t, fleet(cfg, connect, ""), sizes())
	})
}

// sizes are those of the suite's rules about many keys.
func sizes() claimtest.Options {
	if testtool.Brief() {
		return claimtest.Options{Parallel: true, Keys: 200, Workers: 4}
	}
	return claimtest.Options{Parallel: true, Keys: 1000, Workers: 8}
}

// born is about when the keys of the suite are born.
var born = time.Now()

// Every script that touched keys of two slots would be refused (CROSSSLOT).
func TestConformanceOfACluster(t *testing.T) {
	t.Parallel()
	addrs := startCluster(t)
	connect := func(t testing.TB, dial dialer) goredis.UniversalClient { return clusterClient(t, addrs, dial) }
	claimtest.RunFleet(t, fleet(redis.Config{}, connect, addrs[1]), sizes())
}
