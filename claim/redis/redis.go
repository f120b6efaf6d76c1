// Package redis is a claim store in Redis, on one server or a Cluster, for any
// number of workers on any number of machines.
//
// What it promises:
//   - Each step is one Lua script on names of one hash slot, decided by the
//     server's clock. All calls take any number of names: they are grouped by
//     shard and sent in one pipeline, so that a call costs one round trip.
//   - Every step is fenced by the lease's token. A token never comes again,
//     not even where the server lost its last seconds: it is a time.
//   - A name that was processed is kept until [Store.Forget], or until it is
//     older than [Config.Horizon] where the user sets one.
//   - Redis must not evict: a server whose maxmemory-policy is not noeviction
//     is refused at first use.
//
// It holds as long as Redis keeps what it acknowledged. A server without
// appendonly yes, or with appendfsync everysec, forgets up to its last seconds
// when it crashes, and a replica that is promoted what had not reached it: the
// objects completed in them are then processed again. Nothing is ever lost.
// Clocks of servers that stand in for each other must agree well within the
// time of a lease.
//
// A script on a shard that cannot be reached fails only its own entries: they
// are listed in a [*claim.BatchError], marked fault.Interrupted, and all others
// took effect. An entry listed so may have taken effect where the answer was
// lost; each call may be repeated, with its nonce or tokens, to learn it. Where
// no shard can be reached the error is plain.
//
// In the memory of Redis, a processed name of n bytes costs about n + 35 bytes
// while its bucket is compact, and n + 85 otherwise (see [Config.Buckets]):
// with names of 60 bytes, a million need 90 MB. A lease costs about n + 200.
package redis

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// Config configures a [Store]. The zero value works. All workers of a store
// must have the same Prefix, Shards, Buckets, Horizon and KeyTime: a store
// notes the first four at first use, and refuses whoever comes with others.
type Config struct {
	// Prefix begins all keys of the store in Redis, and tells stores on one
	// server apart: 1 to 64 letters, digits and any of "._-/:". Defaults to
	// "unspool".
	Prefix string
	// Shards is the number of hash slots that names are spread over, evenly;
	// at most 256. One is fastest on one server; a Cluster needs several for
	// each of its servers. Defaults to 1, and to 16 with a
	// [redis.ClusterClient].
	Shards int
	// Buckets is the number of hashes that processed names are spread over, in
	// all shards together; at most 16,777,216. Redis stores a hash compactly
	// while it has at most hash-max-listpack-entries entries (512, by default)
	// and none of its names is longer than hash-max-listpack-value (64 bytes,
	// by default; set it to 256 where names are long). About 100 names in a
	// bucket is best: small, and still fast. Defaults to 65,536: for up to 10
	// million names.
	Buckets int
	// Horizon is the age past which a name that the store knows nothing of is
	// answered as done, and counted by [Store.Skipped]. Processed names are
	// dropped when they are older, and so the store is bounded. At least 1
	// minute; 0 is no horizon: names are kept until they are forgotten.
	Horizon time.Duration
	// KeyTime tells the time of a name, from which its age counts: often it is
	// part of the name. It must always tell the same of the same name. Names
	// whose time it does not know never become old. Required with Horizon. It
	// is called by many goroutines at once.
	KeyTime func(key string) (t time.Time, ok bool)
	// AssumeNoEviction says that the user has made sure that maxmemory-policy
	// is noeviction on all servers, where INFO is forbidden to this client. It
	// is then not checked.
	AssumeNoEviction bool
}

const (
	defaultPrefix  = "unspool"
	maxPrefixBytes = 64
	clusterShards  = 16
	maxShards      = 256
	defaultBuckets = 1 << 16
	maxBuckets     = 1 << 24
	minHorizon     = time.Minute
)

// Store is a claim store in Redis. It is safe for concurrent use, and has no
// goroutine and no state of its own but a counter.
type Store struct {
	client  redis.UniversalClient
	cluster bool
	layout  layout
	keyTime func(string) (time.Time, bool)

	assumeNoEviction bool
	opened           atomic.Bool // the servers were checked
	skipped          atomic.Int64
}

var (
	_ claim.Claimer   = (*Store)(nil)
	_ claim.Inspector = (*Store)(nil)
)

// New returns a store on client, which the caller closes. It sends nothing.
// Every mistake in the configuration is named in the error.
//
// The client's option ContextTimeoutEnabled must be set: without it calls
// outlive the deadline of their context. What it retries by itself does no
// harm.
func New(client redis.UniversalClient, cfg Config) (*Store, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	cluster := false
	timeouts := true
	switch c := client.(type) {
	case nil:
		wrong("client is nil")
	case *redis.Client:
		if c == nil {
			wrong("client is nil")
			break
		}
		timeouts = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		if c == nil {
			wrong("client is nil")
			break
		}
		cluster = true
		timeouts = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		wrong("client is a *redis.Ring: it moves keys to other servers when one is away, and claims with them")
	}
	if !timeouts {
		wrong("client has ContextTimeoutEnabled unset: calls would outlive their deadline")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if len(cfg.Prefix) > maxPrefixBytes || strings.ContainsFunc(cfg.Prefix, notInPrefix) {
		wrong("Prefix is %.80q: want at most %d letters, digits and any of \"._-/:\"", cfg.Prefix, maxPrefixBytes)
	}
	if cfg.Shards == 0 {
		cfg.Shards = 1
		if cluster {
			cfg.Shards = clusterShards
		}
	}
	if cfg.Shards < 0 || cfg.Shards > maxShards {
		wrong("Shards is %d: want 1 to %d", cfg.Shards, maxShards)
	}
	if cfg.Buckets == 0 {
		cfg.Buckets = defaultBuckets
	}
	if cfg.Buckets < 0 || cfg.Buckets > maxBuckets {
		wrong("Buckets is %d: want 1 to %d", cfg.Buckets, maxBuckets)
	}
	if cfg.Horizon != 0 && cfg.Horizon < minHorizon {
		wrong("Horizon is %v: want at least %v, or 0", cfg.Horizon, minHorizon)
	}
	if cfg.Horizon != 0 && cfg.KeyTime == nil {
		wrong("Horizon is set without KeyTime: the age of a name is unknown")
	}
	if cfg.Horizon == 0 && cfg.KeyTime != nil {
		wrong("KeyTime is set without Horizon")
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure claim store in redis: %w", errors.Join(errs...)))
	}
	return &Store{
		client:           client,
		cluster:          cluster,
		layout:           newLayout(cfg.Prefix, cfg.Shards, cfg.Buckets, cfg.Horizon),
		keyTime:          cfg.KeyTime,
		assumeNoEviction: cfg.AssumeNoEviction,
	}, nil
}

func notInPrefix(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-/:", r)
}

// Skipped returns how often this Store has answered that a name is done for
// the sole reason that it is older than [Config.Horizon]. A name is counted
// each time it is listed and claimed.
func (s *Store) Skipped() int64 { return s.skipped.Load() }
