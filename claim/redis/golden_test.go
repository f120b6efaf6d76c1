package redis_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/redis"
)

// testdata/format1.json is a store as version 1 of the layout has it, with a
// claim in every state. It is never written again: a layout that differs needs
// another number, and another file beside this one.
const goldenFile = "testdata/format1.json"

var writeGolden = flag.Bool("golden", false, "write "+goldenFile+", which must be a new one")

// century is the time of leases and delays that still last when the golden file
// is read.
const century = 100 * 365 * 24 * time.Hour

// goldenConfig has the store of the golden file. Names that begin with "2026"
// have a time.
func goldenConfig(prefix string) redis.Config {
	return redis.Config{
		Prefix: prefix, Shards: 2, Buckets: 64, Horizon: century,
		KeyTime: func(key string) (time.Time, bool) {
			return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), strings.HasPrefix(key, "2026")
		},
	}
}

// goldenNames are those of the golden file, by what became of them.
var goldenNames = []string{"live", "half", "expired", "counted", "clean", "delayed", "done", "2026/done", "done at once", "\x00\xff"}

// goldenSteps makes the claims of the golden file.
func goldenSteps(t *testing.T, s *redis.Store) {
	t.Helper()
	ctx := t.Context()
	claimed := func(nonce string, ttl time.Duration, names ...string) (leases []claim.Lease) {
		results, err := s.Claim(ctx, "owner-1", nonce, names, ttl)
		require.NoError(t, err)
		for i, r := range results {
			require.Equal(t, claim.Granted, r.Status, names[i])
			leases = append(leases, r.Lease)
		}
		return leases
	}
	claimed("nonce-1", century, "live", "\x00\xff")
	half := claimed("nonce-2", century, "half")
	half[0].Progress = "progress \x00\xff"
	require.NoError(t, s.Extend(ctx, half, century))
	back := claimed("nonce-3", century, "counted", "clean", "delayed")
	back[0].Progress = "so far"
	require.NoError(t, s.Release(ctx, []claim.Return{
		{Lease: back[0], Counted: true, Reason: "a reason"},
		{Lease: back[1]},
		{Lease: back[2], Counted: true, Delay: century},
	}))
	again := claimed("nonce-4", century, "done", "2026/done")
	require.NoError(t, s.Release(ctx, []claim.Return{{Lease: again[0], Counted: true}, {Lease: again[1], Counted: true}}))
	again = claimed("nonce-5", century, "done", "2026/done", "done at once")
	require.NoError(t, s.Complete(ctx, again))
	claimed("nonce-6", time.Millisecond, "expired")
	time.Sleep(2 * time.Millisecond)
}

// contents is what Redis holds, by key: of a string or hash its values in hex,
// by field; of a sorted set its members, without their scores, which are times.
type contents map[string]map[string]string

func dump(t *testing.T, c *goredis.Client) contents {
	t.Helper()
	ctx, all := t.Context(), contents{}
	keys, err := c.Keys(ctx, "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		values := map[string]string{}
		switch kind := c.Type(ctx, key).Val(); kind {
		case "string":
			values["value"] = c.Get(ctx, key).Val()
		case "hash":
			values = c.HGetAll(ctx, key).Val()
		case "zset":
			for _, name := range c.ZRange(ctx, key, 0, -1).Val() {
				values[name] = ""
			}
		default:
			t.Fatalf("%s is a %s", key, kind)
		}
		all[key] = map[string]string{}
		for field, value := range values {
			all[key][hex.EncodeToString([]byte(field))] = hex.EncodeToString([]byte(value))
		}
	}
	return all
}

// restore is the inverse of dump. Scores are 0: names may be cleared away.
func restore(t *testing.T, c *goredis.Client, all contents) {
	t.Helper()
	ctx := t.Context()
	text := func(s string) string {
		raw, err := hex.DecodeString(s)
		require.NoError(t, err)
		return string(raw)
	}
	for key, values := range all {
		for field, value := range values {
			var err error
			switch {
			case strings.HasSuffix(key, ":layout"):
				err = c.Set(ctx, key, text(value), 0).Err()
			case strings.HasSuffix(key, ":back"):
				err = c.ZAdd(ctx, key, goredis.Z{Member: text(field)}).Err()
			default:
				err = c.HSet(ctx, key, text(field), text(value)).Err()
			}
			require.NoError(t, err)
		}
	}
}

func golden(t *testing.T) contents {
	t.Helper()
	raw, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	var all contents
	require.NoError(t, json.Unmarshal(raw, &all))
	return all
}

// timeless is all with the times, and the tokens, which are times, made zero:
// they are where version 1 has them.
func timeless(all contents) contents {
	zero := func(value string, from, to int) string { // of bytes
		return value[:2*from] + strings.Repeat("00", to-from) + value[2*to:]
	}
	for key, values := range all {
		for field, value := range values {
			switch {
			case strings.HasSuffix(key, ":meta") && field == hex.EncodeToString([]byte("token")):
				values[field] = ""
			case strings.HasSuffix(key, ":work") && field != "": // held, attempt, expires, token, …
				values[field] = zero(value, 5, 21)
			case strings.Contains(key, ":done:"): // attempt, token, s
				values[field] = zero(value, 1, 12)
			}
		}
	}
	return all
}

// What this version writes is, byte for byte, what a worker of the version of
// the golden file writes and reads, but for times.
func TestGoldenIsWritten(t *testing.T) {
	c := start(t).client(t)
	goldenSteps(t, store(t, c, goldenConfig("golden")))
	if *writeGolden {
		text, err := json.MarshalIndent(dump(t, c), "", "\t")
		require.NoError(t, err)
		f, err := os.OpenFile(goldenFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.Write(append(text, '\n'))
		require.NoError(t, errors.Join(err, f.Close()))
	}
	require.Equal(t, timeless(golden(t)), timeless(dump(t, c)))
}

// What a worker of the version of the golden file has written is read as it was
// meant.
func TestGoldenIsRead(t *testing.T) {
	c := start(t).client(t)
	restore(t, c, golden(t))
	s := store(t, c, goldenConfig("golden"))
	entries, err := s.Inspect(t.Context(), goldenNames)
	require.NoError(t, err)
	claimedAt := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for i, want := range []claim.Entry{
		{State: claim.Processing, Owner: "owner-1", Attempt: 1},
		{State: claim.Processing, Owner: "owner-1", Attempt: 1, Progress: "progress \x00\xff"},
		{State: claim.Processing, Owner: "owner-1", Attempt: 1},
		{State: claim.Free, Owner: "owner-1", Attempt: 1, Progress: "so far", Reason: "a reason"},
		{State: claim.Free, Owner: "owner-1"},
		{State: claim.Free, Owner: "owner-1", Attempt: 1},
		{State: claim.Finished, Attempt: 2},
		{State: claim.Finished, Attempt: 2},
		{State: claim.Finished, Attempt: 1},
		{State: claim.Processing, Owner: "owner-1", Attempt: 1},
	} {
		got := entries[i]
		want.Key, want.ClaimedAt, want.Expires, want.DoneAt = goldenNames[i], got.ClaimedAt, got.Expires, got.DoneAt
		require.Equal(t, want, got)
		require.WithinDuration(t, claimedAt, got.ClaimedAt, 48*time.Hour, "%q", got.Key)
		switch got.Key {
		case "live", "half", "delayed", "\x00\xff":
			require.WithinDuration(t, claimedAt.Add(century), got.Expires, 48*time.Hour, "%q", got.Key)
		case "done", "2026/done", "done at once":
			require.WithinDuration(t, got.ClaimedAt, got.DoneAt, time.Minute, "%q", got.Key)
		default:
			require.WithinDuration(t, got.ClaimedAt, got.Expires, time.Minute, "%q", got.Key)
		}
	}
	counts, err := s.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, claim.Counts{Processing: 3, Expired: 1, Waiting: 2, Finished: 3}, counts)
	var completed, expired []string
	for e, err := range s.Completed(t.Context()) {
		require.NoError(t, err)
		completed = append(completed, e.Key)
	}
	require.ElementsMatch(t, []string{"done", "2026/done", "done at once"}, completed)
	for e, err := range s.Expired(t.Context(), 0) {
		require.NoError(t, err)
		expired = append(expired, e.Key)
	}
	require.Equal(t, []string{"expired"}, expired)

	// A call of a worker of that version may be repeated by one of this.
	mine, err := s.Claim(t.Context(), "owner-1", "nonce-1", []string{"live", "\x00\xff"}, century)
	require.NoError(t, err)
	for i, e := range []claim.Entry{entries[0], entries[9]} {
		require.Equal(t, claim.Result{Status: claim.Granted, Lease: claim.Lease{
			Key: e.Key, Token: strconv.FormatInt(e.ClaimedAt.UnixMicro(), 10), Attempt: 1,
		}}, mine[i])
	}
	require.NoError(t, s.Extend(t.Context(), []claim.Lease{mine[0].Lease}, long))
	require.NoError(t, s.Complete(t.Context(), []claim.Lease{mine[0].Lease}))

	results, err := s.Claim(t.Context(), "owner-2", "nonce-7", goldenNames, long)
	require.NoError(t, err)
	for i, want := range []claim.Result{
		{Status: claim.Done}, // just now
		{Status: claim.Held},
		{Status: claim.Granted, Lease: claim.Lease{Attempt: 2}},
		{Status: claim.Granted, Lease: claim.Lease{Attempt: 2, Progress: "so far"}},
		{Status: claim.Granted, Lease: claim.Lease{Attempt: 1}},
		{Status: claim.Held},
		{Status: claim.Done},
		{Status: claim.Done},
		{Status: claim.Done},
		{Status: claim.Held},
	} {
		got := results[i]
		if want.Status == claim.Granted {
			want.Lease.Key, want.Lease.Token = goldenNames[i], got.Lease.Token
			require.NotEqual(t, mine[1].Lease.Token, got.Lease.Token)
		}
		require.Equal(t, want, got, "%q", goldenNames[i])
	}
	require.NoError(t, s.Complete(t.Context(), []claim.Lease{mine[1].Lease}), "of what was repeated")
}

// later makes the layout of the stores with a prefix one of a later version.
func later(t testing.TB, c *goredis.Client, prefix string) {
	for _, pattern := range []string{"{" + prefix + "}:*", "{" + prefix + ":*"} {
		keys, err := c.Keys(t.Context(), pattern).Result()
		require.NoError(t, err)
		for _, key := range keys {
			switch {
			case strings.HasSuffix(key, ":layout"):
				err = c.Set(t.Context(), key, laterLayout, 0).Err()
			case strings.HasSuffix(key, ":meta"):
				err = c.HSet(t.Context(), key, "layout", laterLayout).Err()
			}
			require.NoError(t, err)
		}
	}
}

const laterLayout = "2 shards=1 buckets=65536 horizon=0s and more"

// What it met is named, and left as it was. That every call meets it is shown
// by TestConformance.
func TestALaterVersionIsNamedAndLeftAlone(t *testing.T) {
	c := start(t).client(t)
	s := store(t, c, redis.Config{Prefix: "p"})
	leases := claimAll(t, s, "n", "k", "done")
	require.NoError(t, s.Complete(t.Context(), leases[1:]))
	later(t, c, "p")
	before := dump(t, c)
	_, err := s.Claim(t.Context(), "worker", "n2", []string{"k", "new"}, long)
	require.ErrorContains(t, err, laterLayout)
	require.ErrorContains(t, err, `not "1 shards=1 buckets=65536 horizon=0s"`)
	require.Error(t, s.Complete(t.Context(), leases[:1]))
	require.Error(t, s.Forget(t.Context(), []string{"done"}))
	require.Equal(t, before, dump(t, c))
}
