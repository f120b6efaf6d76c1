// Package redis keeps what is known of sets in Redis, on one server or a Cluster, for
// any number of monitors and observers.
//
// Each step is one Lua script on two keys of one hash slot: a hash with the count and
// the status of the set, and a Redis set of the keys that have arrived. An arrival
// costs about its key's length and 60 bytes of memory, until [Config.Keep] has
// passed since anything happened to the set. Redis must not evict (maxmemory-policy
// noeviction): arrivals that it forgets are counted again. With lazyfree-lazy-expire on,
// nobody waits while it forgets a set of a million arrivals whose time has passed. What a server forgets that
// crashes, or a replica that is promoted, is counted again if it is told of again, as
// by a listing.
package redis

import (
	"context"
	_ "embed" // the scripts are files
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// Config configures a [Store]. The zero value works.
type Config struct {
	// Prefix begins all keys of the store, and tells stores on one server apart.
	// Letters, digits and any of "._-/:". Defaults to "unspool:completion".
	Prefix string
	// Keep is how long a set is remembered after something has last happened to it. It
	// must be longer than an event may be late or come again, which SQS alone may keep
	// for 14 days, and than the MaxAge of the policy. Defaults to [DefaultKeep].
	Keep time.Duration
}

// DefaultKeep is how long a set is remembered where [Config] does not say.
const DefaultKeep = 30 * 24 * time.Hour

// Store is a store in Redis. It is safe for concurrent use, and holds nothing that has
// to be closed.
type Store struct {
	client redis.UniversalClient
	prefix string
	keep   time.Duration
}

var _ completion.Store = (*Store)(nil)

// New returns a store on client, which the caller closes and whose option
// ContextTimeoutEnabled should be set. It sends nothing. Every mistake is named in
// the error.
func New(client redis.UniversalClient, cfg Config) (*Store, error) {
	s := &Store{client, cfg.Prefix, cfg.Keep}
	if s.prefix == "" {
		s.prefix = "unspool:completion"
	}
	if s.keep == 0 {
		s.keep = DefaultKeep
	}
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if strings.ContainsFunc(s.prefix, notInPrefix) {
		errs = append(errs, fmt.Errorf("Prefix is %.80q: want letters, digits and any of \"._-/:\"", s.prefix))
	}
	if s.keep < time.Second {
		errs = append(errs, fmt.Errorf("Keep is %v: want at least 1s", s.keep))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure completion in redis: %w", errors.Join(errs...)))
	}
	return s, nil
}

func notInPrefix(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-/:", r)
}

var (
	//go:embed arrive.lua
	arriveLua string
	//go:embed swap.lua
	swapLua string

	arriveScript = redis.NewScript(arriveLua)
	swapScript   = redis.NewScript(swapLua)
)

// block is the most arrivals of one script, and keys of one question: it bounds for
// how long the server does nothing else.
const block = 500

// The fields of the hash of a set, which the scripts know too.
const (
	fieldArrivals = "n"
	fieldObjects  = "o"
	fieldRecords  = "r"
	fieldEdition  = "v"
	fieldStatus   = "s"
)

// keys are those of a set: the hash and the arrivals. The ID has no braces, so that it
// alone makes the hash slot.
func (s *Store) keys(set completion.Set) (hash, arrived string) {
	hash = s.prefix + ":{" + set.ID() + "}"
	return hash, hash + ":a"
}

// Arrive implements [completion.Store].
func (s *Store) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (counted int, err error) {
	hash, arrived := s.keys(set)
	for part := range slices.Chunk(arrivals, block) {
		args := make([]any, 0, 1+3*len(part))
		args = append(args, s.keep.Milliseconds())
		for _, a := range part {
			args = append(args, a.Key, a.Objects, a.Records)
		}
		n, err := arriveScript.Run(ctx, s.client, []string{hash, arrived}, args...).Int()
		if err != nil {
			return counted, classify(ctx, "arrive", err)
		}
		counted += n
	}
	return counted, nil
}

// Look implements [completion.Store].
func (s *Store) Look(ctx context.Context, set completion.Set) (completion.Record, error) {
	hash, _ := s.keys(set)
	fields, err := s.client.HGetAll(ctx, hash).Result()
	if err != nil {
		return completion.Record{}, classify(ctx, "look", err)
	}
	var rec completion.Record
	for name, to := range map[string]*int64{
		fieldArrivals: &rec.Count.Arrivals, fieldObjects: &rec.Count.Objects, fieldRecords: &rec.Count.Records, fieldEdition: &rec.Edition,
	} {
		if text, ok := fields[name]; ok {
			if *to, err = strconv.ParseInt(text, 10, 64); err != nil {
				return completion.Record{}, fault.Fatal(fmt.Errorf("redis: look: field %q of the set is no number", name))
			}
		}
	}
	rec.Status, err = completion.DecodeStatus(fields[fieldStatus])
	return rec, err
}

// Swap implements [completion.Store].
func (s *Store) Swap(ctx context.Context, set completion.Set, c completion.Change) (bool, error) {
	text, err := c.To.Encode()
	if err != nil {
		return false, err
	}
	hash, arrived := s.keys(set)
	n, err := swapScript.Run(ctx, s.client, []string{hash, arrived}, s.keep.Milliseconds(), c.Edition, c.Arrivals, text).Int()
	if err != nil {
		return false, classify(ctx, "swap", err)
	}
	return n == 1, nil
}

// Missing implements [completion.Store].
func (s *Store) Missing(ctx context.Context, set completion.Set, keys []string) ([]string, error) {
	_, arrived := s.keys(set)
	var missing []string
	for part := range slices.Chunk(keys, block) {
		members := make([]any, len(part))
		for i, key := range part {
			members[i] = key
		}
		there, err := s.client.SMIsMember(ctx, arrived, members...).Result()
		if err != nil {
			return nil, classify(ctx, "missing", err)
		}
		for i, known := range there {
			if !known {
				missing = append(missing, part[i])
			}
		}
	}
	return missing, nil
}

// Forget forgets a set at once. An event of it that comes later begins a new one.
func (s *Store) Forget(ctx context.Context, set completion.Set) error {
	hash, arrived := s.keys(set)
	if err := s.client.Unlink(ctx, hash, arrived).Err(); err != nil {
		return classify(ctx, "forget", err)
	}
	return nil
}

// hopeless are the codes of answers that waiting cannot mend.
var hopeless = []string{"NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "WRONGTYPE", "CROSSSLOT"}

// classify marks an error of the client with whose fault it is.
func classify(ctx context.Context, op string, err error) error {
	wrapped := fmt.Errorf("redis: %s: %w", op, err)
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		wrapped = fmt.Errorf("redis: %s: %w: %w", op, end, err)
	}
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		if errors.Is(err, redis.ErrClosed) {
			return fault.Fatal(wrapped)
		}
		return fault.Interrupted(wrapped)
	}
	text := answer.Error()
	code, _, _ := strings.Cut(text, " ")
	if slices.Contains(hopeless, code) || code == "ERR" && (strings.Contains(text, "user_script") || strings.Contains(text, "unknown command")) {
		return fault.Fatal(wrapped)
	}
	return fault.Interrupted(wrapped)
}
