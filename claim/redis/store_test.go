package redis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/redis"
	"github.com/unspool-go/unspool/internal/faultproxy"
	"github.com/unspool-go/unspool/processor/fault"
)

// long is the time of leases that do not expire in a test.
const long = time.Hour

// claimAll claims names, which must all be granted.
func claimAll(t testing.TB, s *redis.Store, nonce string, names ...string) []claim.Lease {
	t.Helper()
	results, err := s.Claim(t.Context(), "worker", nonce, names, long)
	require.NoError(t, err)
	leases := make([]claim.Lease, len(results))
	for i, r := range results {
		require.Equal(t, claim.Granted, r.Status, "%q", names[i])
		leases[i] = r.Lease
	}
	return leases
}

// status claims one name, under a nonce that is used once.
func status(t testing.TB, s *redis.Store, name string) claim.Status {
	t.Helper()
	results, err := s.Claim(t.Context(), "onlooker", fmt.Sprint("look", names.Add(1)), []string{name}, long)
	require.NoError(t, err)
	return results[0].Status
}

func TestMistakesAreToldAtOnce(t *testing.T) {
	client := goredis.NewClient(&goredis.Options{})
	defer client.Close()
	_, err := redis.New(client, redis.Config{Prefix: "a{b}", Shards: 5000, Buckets: -1, Horizon: time.Second})
	require.True(t, fault.Is(err, fault.ClassFatal))
	for _, text := range []string{"ContextTimeoutEnabled", `Prefix is "a{b}"`, "Shards is 5000", "Buckets is -1", "Horizon is 1s", "without KeyTime"} {
		assert.ErrorContains(t, err, text)
	}
	for _, client := range []goredis.UniversalClient{nil, (*goredis.Client)(nil), (*goredis.ClusterClient)(nil)} {
		_, err = redis.New(client, redis.Config{})
		require.ErrorContains(t, err, "client is nil")
	}
	_, err = redis.New(&goredis.Ring{}, redis.Config{KeyTime: func(string) (time.Time, bool) { return time.Time{}, false }})
	require.ErrorContains(t, err, "Ring")
	require.ErrorContains(t, err, "KeyTime is set without Horizon")
}

func TestAServerThatEvictsIsRefused(t *testing.T) {
	s := start(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	client := s.client(t)
	st := store(t, client, redis.Config{})
	_, err := st.Claim(t.Context(), "worker", "n", []string{"k"}, long)
	require.ErrorIs(t, err, redis.ErrEviction)
	require.True(t, fault.Is(err, fault.ClassFatal))
	require.ErrorContains(t, err, "allkeys-lru")
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Empty(t, keys, "nothing was written")

	_, err = st.Count(t.Context())
	require.ErrorIs(t, err, redis.ErrEviction, "whatever the first use is")

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	claimAll(t, st, "n", "k") // it is asked again
}

// Where INFO is forbidden, the user has to know.
func TestWithoutInfoTheUserAssertsThatNothingIsEvicted(t *testing.T) {
	s := start(t)
	require.NoError(t, s.client(t).Do(t.Context(), "acl", "setuser", "worker", "on", ">pw", "~*", "+@all", "-info").Err())
	o := s.options()
	o.Username, o.Password = "worker", "pw"
	client := connect(t, o)
	_, err := store(t, client, redis.Config{}).Claim(t.Context(), "worker", "n", []string{"k"}, long)
	require.True(t, fault.Is(err, fault.ClassFatal))
	require.ErrorContains(t, err, "AssumeNoEviction")
	claimAll(t, store(t, client, redis.Config{AssumeNoEviction: true}), "n", "k")
}

func TestWhoIsNotLetInStops(t *testing.T) {
	s := start(t)
	admin := s.client(t)
	require.NoError(t, admin.Do(t.Context(), "acl", "setuser", "guest", "on", ">guest", "~*", "-@all", "+@connection", "+info").Err())
	require.NoError(t, admin.ConfigSet(t.Context(), "requirepass", "secret").Err())
	for name, set := range map[string]func(*goredis.Options){
		"no password":    func(*goredis.Options) {},
		"wrong password": func(o *goredis.Options) { o.Password = "hunter2" },
		"no permission":  func(o *goredis.Options) { o.Username, o.Password = "guest", "guest" },
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options()
			set(o)
			_, err := store(t, connect(t, o), redis.Config{}).Claim(t.Context(), "worker", "n", []string{"k"}, long)
			require.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestAServerThatIsAwayInterrupts(t *testing.T) {
	o := (&server{addr: "127.0.0.1:1"}).options() // nobody listens there
	o.DialerRetries = 1
	st := store(t, connect(t, o), redis.Config{})
	_, err := st.Claim(t.Context(), "worker", "n", []string{"k"}, long)
	require.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
}

// A replica takes no claims; it may be promoted.
func TestAReplicaInterrupts(t *testing.T) {
	s := start(t)
	client := s.client(t)
	st := store(t, client, redis.Config{})
	lease := claimAll(t, st, "n", "k")
	require.NoError(t, client.Do(t.Context(), "replicaof", "127.0.0.1", "1").Err())
	err := st.Complete(t.Context(), lease)
	require.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	require.ErrorContains(t, err, "READONLY")
	require.NoError(t, client.Do(t.Context(), "replicaof", "no", "one").Err())
	require.NoError(t, st.Complete(t.Context(), lease))
}

// A server without memory refuses a script as a whole, and not in the middle.
func TestOutOfMemoryInterruptsAndChangesNothing(t *testing.T) {
	client := start(t).client(t)
	st := store(t, client, redis.Config{})
	leases := claimAll(t, st, "n", "k1", "k2", "k3")
	require.NoError(t, st.Complete(t.Context(), leases[2:]))
	before, err := st.Inspect(t.Context(), []string{"k1", "k2", "k3", "new"})
	require.NoError(t, err)

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	_, err = st.Claim(t.Context(), "worker", "n2", []string{"new", "k1"}, long)
	calls := map[string]error{
		"Claim":    err,
		"Extend":   st.Extend(t.Context(), leases[:2], long),
		"Complete": st.Complete(t.Context(), leases[:2]),
		"Release":  st.Release(t.Context(), []claim.Return{{Lease: leases[0]}, {Lease: leases[1], Counted: true}}),
	}
	for name, err := range calls {
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%s: %v", name, err)
		assert.ErrorContains(t, err, "OOM", name)
	}
	require.NoError(t, st.Forget(t.Context(), []string{"k3"}), "what frees memory is allowed")

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	after, err := st.Inspect(t.Context(), []string{"k1", "k2", "k3", "new"})
	require.NoError(t, err)
	require.Equal(t, claim.Free, after[2].State)
	after[2] = before[2]
	require.Equal(t, before, after)
	require.NoError(t, st.Complete(t.Context(), leases[:2]))
}

// A request that a time-out gave up took effect all the same.
func TestATimeoutIsRepeatedWithItsNonce(t *testing.T) {
	s := start(t)
	proxy, err := faultproxy.Start(s.addr, nil)
	require.NoError(t, err)
	defer proxy.Close()
	o := s.options()
	o.Addr, o.MaxRetries = proxy.Addr(), -1
	st := store(t, connect(t, o), redis.Config{Prefix: "timeout"})
	direct := store(t, s.client(t), redis.Config{Prefix: "timeout"})
	require.NoError(t, st.Complete(t.Context(), claimAll(t, st, "first", "first"))) // scripts are loaded now

	proxy.Set(faultproxy.Fault{Hole: true})
	for wait := 200 * time.Millisecond; proxy.Held() == 0; wait *= 2 { // until the request is on its way
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err = st.Claim(ctx, "worker", "n", []string{"k"}, long)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, fault.Is(err, fault.ClassInterrupted))
	}
	proxy.Heal() // what was held back arrives now
	require.Eventually(t, func() bool {
		e, err := direct.Inspect(t.Context(), []string{"k"})
		return err == nil && e[0].State == claim.Processing
	}, 30*time.Second, 10*time.Millisecond)
	lease := claimAll(t, st, "n", "k")
	require.Equal(t, 1, lease[0].Attempt)

	proxy.Set(faultproxy.Fault{LoseAnswers: true})
	err = st.Complete(t.Context(), lease)
	require.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	proxy.Heal()
	require.Equal(t, claim.Done, status(t, direct, "k"))
	require.NoError(t, st.Complete(t.Context(), lease))
}

func TestScriptsAreLoadedAgainAfterAFlush(t *testing.T) {
	client := start(t).client(t)
	st := store(t, client, redis.Config{Shards: 4})
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	leases := claimAll(t, st, "n", names...)
	require.NoError(t, client.ScriptFlush(t.Context()).Err())
	require.Equal(t, leases, claimAll(t, st, "n", names...))
	require.NoError(t, client.ScriptFlush(t.Context()).Err())
	require.NoError(t, st.Complete(t.Context(), leases))
}

// What was acknowledged outlives the server's death, where each write is
// synced: appendonly yes, appendfsync always.
func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := []string{"--appendonly", "yes", "--appendfsync", "always"}
	s := startIn(t, dir, settings...)
	st := store(t, s.client(t), redis.Config{Shards: 2})

	var (
		mu        sync.Mutex
		completed []string
		held      []claim.Lease
		wg        sync.WaitGroup
		enough    = make(chan struct{})
	)
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				block := []string{fmt.Sprintf("%d-%d-a", w, i), fmt.Sprintf("%d-%d-b", w, i)}
				results, err := st.Claim(t.Context(), "worker", block[0], block, long)
				if err != nil {
					return
				}
				err = st.Complete(t.Context(), []claim.Lease{results[0].Lease})
				if err != nil {
					return
				}
				mu.Lock()
				completed = append(completed, block[0])
				held = append(held, results[1].Lease)
				if len(held) == 500 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	require.NoError(t, s.cmd.Process.Kill())
	wg.Wait()
	s.run(t, dir, settings...)

	results, err := st.Claim(t.Context(), "onlooker", "after", completed, long)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, claim.Done, r.Status, completed[i])
	}
	require.NoError(t, st.Complete(t.Context(), held), "leases live on")
}

// A store that lost everything gives no token twice: a worker from before
// cannot complete what another works on now.
func TestTokensDoNotComeAgainWhenTheStoreIsRolledBack(t *testing.T) {
	client := start(t).client(t)
	st := store(t, client, redis.Config{})
	stale := claimAll(t, st, "n1", "k")
	require.NoError(t, client.FlushAll(t.Context()).Err())
	fresh := claimAll(t, st, "n2", "k")
	require.NotEqual(t, stale[0].Token, fresh[0].Token)
	require.ErrorIs(t, st.Complete(t.Context(), stale), claim.ErrLost)
	require.NoError(t, st.Complete(t.Context(), fresh))
}

// Shards of another number have keys of their own: the first of 1 is not the
// first of 4. Two workers that meet nowhere would each process everything.
func TestAnotherNumberOfShardsIsRefused(t *testing.T) {
	client := start(t).client(t)
	numbers := []int{1, 2, 4, 16, 100, 256}
	for _, have := range numbers {
		cfg := redis.Config{Prefix: fmt.Sprint("p", have), Shards: have}
		claimAll(t, store(t, client, cfg), "n", "k")
		for _, other := range numbers {
			if other == have {
				continue
			}
			cfg.Shards = other
			_, err := store(t, client, cfg).Claim(t.Context(), "worker", "n2", []string{"k"}, long)
			require.True(t, fault.Is(err, fault.ClassFatal), "%d shards, then %d", have, other)
			require.ErrorContains(t, err, fmt.Sprintf("1 shards=%d ", have))
		}
	}
}

func TestAnotherLayoutIsRefused(t *testing.T) {
	client := start(t).client(t)
	claimAll(t, store(t, client, redis.Config{Prefix: "p", Shards: 4}), "n", "k")
	for name, cfg := range map[string]redis.Config{
		"shards":  {Prefix: "p", Shards: 8},
		"buckets": {Prefix: "p", Shards: 4, Buckets: 100},
		"horizon": {Prefix: "p", Shards: 4, Horizon: long, KeyTime: func(string) (time.Time, bool) { return time.Now(), true }},
	} {
		_, err := store(t, client, cfg).Claim(t.Context(), "worker", "n", []string{"k"}, long)
		require.True(t, fault.Is(err, fault.ClassFatal), name)
		require.ErrorContains(t, err, "shards=4 buckets=65536 horizon=0s", name)
	}
	claimAll(t, store(t, client, redis.Config{Prefix: "other", Shards: 8}), "n", "k")

	// A worker that checked before the store was flushed, and made anew by
	// another, meets the layout with each script.
	old := store(t, client, redis.Config{Prefix: "q"})
	lease := claimAll(t, old, "n", "k")
	require.NoError(t, client.FlushAll(t.Context()).Err())
	claimAll(t, store(t, client, redis.Config{Prefix: "q", Buckets: 100}), "n", "k")
	require.True(t, fault.Is(old.Complete(t.Context(), lease), fault.ClassFatal))
}

// Calls with more names than a script takes.
func TestManyNamesInOneCall(t *testing.T) {
	st := store(t, start(t).client(t), redis.Config{})
	var all []string
	for i := range 1500 {
		all = append(all, fmt.Sprint("name-", i))
	}
	twice := append(slices.Clone(all), all...) // the second time in another script
	results, err := st.Claim(t.Context(), "worker", "n", twice, long)
	require.NoError(t, err)
	var leases []claim.Lease
	for i, r := range results {
		want := claim.Granted
		if i >= len(all) {
			want = claim.Held
		}
		require.Equal(t, want, r.Status)
		if r.Status == claim.Granted {
			leases = append(leases, r.Lease)
		}
	}
	lost := claim.Lease{Key: "never claimed", Token: leases[0].Token}
	leases = slices.Insert(leases, 700, lost)
	err = st.Complete(t.Context(), append(leases, lost))
	var batch *claim.BatchError
	require.ErrorAs(t, err, &batch)
	require.Len(t, batch.Failed, 2)
	require.Equal(t, 700, batch.Failed[0].Index)
	require.Equal(t, 1501, batch.Failed[1].Index)
}

func TestOnlyTheStartOfAReasonIsKept(t *testing.T) {
	st := store(t, start(t).client(t), redis.Config{})
	lease := claimAll(t, st, "n", "k")
	require.NoError(t, st.Release(t.Context(), []claim.Return{{Lease: lease[0], Counted: true, Reason: strings.Repeat("é", 1000)}}))
	e, err := st.Inspect(t.Context(), []string{"k", ""})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", 512), e[0].Reason)
	require.Equal(t, claim.Entry{}, e[1])
}

// Names that were given back with nothing to remember leave the store.
func TestCleanReleasesAreClearedAway(t *testing.T) {
	client := start(t).client(t)
	st := store(t, client, redis.Config{Prefix: "p"})
	leases := claimAll(t, st, "n", "clean", "counted", "again")
	require.NoError(t, st.Release(t.Context(), []claim.Return{
		{Lease: leases[0]}, {Lease: leases[1], Counted: true, Reason: "broken"}, {Lease: leases[2]},
	}))
	again := claimAll(t, st, "n2", "again")
	back, work := "{p:0}:back", "{p:0}:work"
	waiting, err := client.ZRange(t.Context(), back, 0, -1).Result()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"clean", "again"}, waiting)

	for _, name := range waiting { // as if ten minutes had passed
		require.NoError(t, client.ZAdd(t.Context(), back, goredis.Z{Score: 1, Member: name}).Err())
	}
	require.Equal(t, claim.Granted, status(t, st, "other"))
	left, err := client.HKeys(t.Context(), work).Result()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"", "counted", "again", "other"}, left)
	require.Zero(t, client.ZCard(t.Context(), back).Val())
	require.NoError(t, st.Complete(t.Context(), again))
}

// dated tells the time of names that begin with one.
func dated(name string) (time.Time, bool) {
	text, _, _ := strings.Cut(name, " ")
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

func TestHorizon(t *testing.T) {
	client := start(t).client(t)
	cfg := redis.Config{Prefix: "p", Buckets: 16, Horizon: 48 * time.Hour, KeyTime: dated}
	st := store(t, client, cfg)
	name := func(age time.Duration, text string) string {
		return time.Now().Add(-age).UTC().Format(time.RFC3339Nano) + " " + text
	}
	young, old, undated := name(47*time.Hour, "young"), name(49*time.Hour, "old"), "undated"
	leases := claimAll(t, st, "n", young, undated)
	require.NoError(t, st.Complete(t.Context(), leases))

	require.Equal(t, claim.Done, status(t, st, old))
	require.Equal(t, claim.Done, status(t, st, old))
	require.Equal(t, int64(2), st.Skipped())
	require.Equal(t, claim.Done, status(t, st, young))
	require.Equal(t, int64(2), st.Skipped(), "a name that was processed is not skipped")
	e, err := st.Inspect(t.Context(), []string{old, young, undated})
	require.NoError(t, err)
	assert.Equal(t, claim.Entry{Key: old, State: claim.Finished, Reason: "older than the horizon"}, e[0])
	assert.False(t, e[1].DoneAt.IsZero())

	// Redis drops the names of a period after all of them are too old.
	var expiring, kept int
	buckets, err := client.Keys(t.Context(), "{p:0}:done:*").Result()
	require.NoError(t, err)
	for _, b := range buckets {
		left := client.PTTL(t.Context(), b).Val()
		if left < 0 {
			kept++
			continue
		}
		expiring++
		require.Greater(t, left, time.Hour-time.Minute, "as long as a listing may show the name")
		require.LessOrEqual(t, left, time.Hour+48*time.Hour/16)
	}
	require.Equal(t, [2]int{1, 1}, [2]int{expiring, kept})

	count, err := st.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, claim.Counts{Finished: 2}, count)
	listed := make(map[string]bool)
	for e, err := range st.Completed(t.Context()) {
		require.NoError(t, err)
		listed[e.Key] = true
	}
	require.Equal(t, map[string]bool{young: true, undated: true}, listed)
	require.NoError(t, st.Forget(t.Context(), []string{young}))
	require.Equal(t, claim.Granted, status(t, st, young))
}

// A name that the store works on does not become old under its worker.
func TestAKnownNameIsNotSkipped(t *testing.T) {
	st := store(t, start(t).client(t), redis.Config{Horizon: time.Minute, KeyTime: dated})
	var name string
	var results []claim.Result
	for left := 200 * time.Millisecond; ; left *= 2 { // until it is claimed before it is old
		name = time.Now().Add(-time.Minute+left).UTC().Format(time.RFC3339Nano) + " k"
		var err error
		results, err = st.Claim(t.Context(), "worker", "n "+name, []string{name}, long)
		require.NoError(t, err)
		if results[0].Status == claim.Granted {
			break
		}
	}
	require.NoError(t, st.Release(t.Context(), []claim.Return{{Lease: results[0].Lease, Counted: true}}))
	twin := name + " that nobody claimed"
	require.Eventually(t, func() bool {
		e, err := st.Inspect(t.Context(), []string{twin})
		return err == nil && e[0].State == claim.Finished
	}, 30*time.Second, 20*time.Millisecond, "it does not become old")
	lease := claimAll(t, st, "n2", name)
	require.Equal(t, 2, lease[0].Attempt)
	require.NoError(t, st.Complete(t.Context(), lease))
	require.NoError(t, st.Complete(t.Context(), lease), "a completion can be repeated, however old the name is")
	require.Equal(t, claim.Done, status(t, st, name))
}

func TestAClosedClientEndsTheStore(t *testing.T) {
	client := goredis.NewClient(start(t).options())
	st := store(t, client, redis.Config{})
	require.NoError(t, client.Close())
	_, err := st.Claim(t.Context(), "worker", "n", []string{"k"}, long)
	require.ErrorIs(t, err, claim.ErrClosed)
	require.True(t, fault.Is(err, fault.ClassFatal))
}
