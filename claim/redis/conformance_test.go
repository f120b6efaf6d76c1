package redis_test

import (
	"testing"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/redis"
)

func TestConformance(t *testing.T) {
	client := start(t).client(t)
	for name, cfg := range map[string]redis.Config{
		"one shard":   {},
		"many shards": {Shards: 16, Buckets: 64},
	} {
		t.Run(name, func(t *testing.T) {
			claimtest.Run(t, func(t testing.TB) claim.Claimer { return store(t, client, cfg) }, claimtest.Options{})
		})
	}
}
