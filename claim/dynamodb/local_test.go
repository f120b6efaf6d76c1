package dynamodb_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/claim/internal/storetest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
)

// TestServer holds the tests that need the server: it is started once.
func TestServer(t *testing.T) {
	s := startServer(t)
	t.Run("Conformance", func(t *testing.T) { testConformance(t, s) })
	t.Run("EachAnswerIsLost", func(t *testing.T) { testEachAnswerIsLost(t, s) })
	t.Run("LostAnswersAndTheSDKsRetries", func(t *testing.T) { testLostAnswersAndTheSDKsRetries(t, s) })
	t.Run("ThrottledEntriesFailAlone", func(t *testing.T) { testThrottledEntriesFailAlone(t, s) })
	t.Run("UnprocessedKeysAreReadAgain", func(t *testing.T) { testUnprocessedKeysAreReadAgain(t, s) })
	t.Run("AFrozenProcessWritesNoShortLease", func(t *testing.T) { testAFrozenProcessWritesNoShortLease(t, s) })
	t.Run("ExpiryIsSeenInTheAnswerThatTellsTheTime", func(t *testing.T) { testExpiryIsSeenInTheAnswer(t, s) })
	t.Run("ANonceOutlivesItsLease", func(t *testing.T) { testANonceOutlivesItsLease(t, s) })
	t.Run("ListedAgainCostsReads", func(t *testing.T) { testListedAgainCostsReads(t, s) })
	t.Run("TTLOnlyCleans", func(t *testing.T) { testTTLOnlyCleans(t, s) })
	t.Run("CreateTable", func(t *testing.T) { testCreateTable(t, s) })
	t.Run("Actions", func(t *testing.T) { testActions(t, s) })
	t.Run("ParallelIsBounded", func(t *testing.T) { testParallelIsBounded(t, s) })
	t.Run("StoredItemsAreUnderstood", func(t *testing.T) { testStoredItemsAreUnderstood(t, s) })
	t.Run("LaterLayoutsAreRefused", func(t *testing.T) { testLaterLayoutsAreRefused(t, s) })
	t.Run("OddReasonsAndOwners", func(t *testing.T) { testOddReasonsAndOwners(t, s) })
}

func testConformance(t *testing.T, s *server) {
	clock := &storetest.TimeMachine{}
	way := func(next http.RoundTripper) http.RoundTripper {
		clock.Next = next
		return clock
	}
	healthy := s.client(t, way)
	opts := claimtest.Options{Expiry: storetest.Expiry, Advance: clock.Advance, Keys: 256, Workers: 8}
	if testtool.Brief() {
		opts.Keys, opts.Workers = 20, 4
	}
	claimtest.RunFleet(t, func(t testing.TB) claimtest.Fleet {
		table := s.table(t)
		store := func(api dynamodb.API) claim.Claimer {
			store := open(t, api, table)
			store.SetClock(clock.Now)
			return store
		}
		return claimtest.Fleet{
			Store:  store(healthy),
			Worker: func(testing.TB, time.Duration) claim.Claimer { return store(healthy) }, // which has no clock
			Later:  func(t testing.TB) { setLayout(t, healthy, table, "k", "2") },
			Faulty: func(testing.TB) claimtest.Faulty {
				f := &faults{next: clock}
				return claimtest.Faulty{
					Store:  store(clientOf("http://"+s.addr, f)),
					Mute:   func(on bool) { f.mute.Store(on) },
					Away:   func(on bool) { f.away.Store(on) },
					Partly: func(on bool) { f.partly.Store(on) },
				}
			},
		}
	}, opts)
}

// faults is a way to the store that can fail.
type faults struct {
	next               http.RoundTripper
	mute, away, partly atomic.Bool
}

func (f *faults) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.away.Load() {
		return nil, errors.New("connection refused")
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if key := keyIn(body); f.partly.Load() && len(key) > 0 && crc32.ChecksumIEEE([]byte(key))%2 == 0 {
		return answer(r, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"no"}`), nil
	}
	resp, err := f.next.RoundTrip(r)
	if err == nil && f.mute.Load() {
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return resp, err
}

// dropAnswers lets each request take effect and loses its answer, the first
// time that it is sent.
func dropAnswers(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	seen := make(map[string]bool)
	return trip(func(r *http.Request) (*http.Response, error) {
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		resp, err := next.RoundTrip(r)
		if err != nil || operation(r) != "UpdateItem" {
			return resp, err
		}
		// Expiry times differ between repetitions: the key and the kind of
		// change are what makes a request the same.
		id := keyIn(body) + expressionIn(body)
		mu.Lock()
		again := seen[id]
		seen[id] = true
		mu.Unlock()
		if again {
			return resp, nil
		}
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	})
}

func testEachAnswerIsLost(t *testing.T, s *server) {
	storetest.EveryStep(t, open(t, s.client(t, dropAnswers), s.table(t)))
}

func testLostAnswersAndTheSDKsRetries(t *testing.T, s *server) {
	quick := func(o *awsdynamodb.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	api := awsdynamodb.New(s.client(t, dropAnswers).Options(), quick)
	store := open(t, api, s.table(t))
	results, err := store.Claim(t.Context(), "a", "nonce", storetest.Keys(5), time.Minute)
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, claim.Granted, r.Status)
		require.Equal(t, 1, r.Lease.Attempt)
		require.NoError(t, store.Release(t.Context(), []claim.Return{{Lease: r.Lease}}))
	}
	entries, err := store.Inspect(t.Context(), storetest.Keys(5))
	require.NoError(t, err)
	for _, e := range entries {
		require.Zero(t, e.Attempt)
	}
}

// failing answers requests about some keys with an error of DynamoDB's.
func failing(code string, status int, keys ...string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return trip(func(r *http.Request) (*http.Response, error) {
			body, err := readBody(r)
			if err != nil {
				return nil, err
			}
			if slices.Contains(keys, keyIn(body)) {
				return answer(r, status, `{"__type":"com.amazonaws.dynamodb.v20120810#`+code+`","message":"no"}`), nil
			}
			return next.RoundTrip(r)
		})
	}
}

func testThrottledEntriesFailAlone(t *testing.T, s *server) {
	table, ctx, ks := s.table(t), t.Context(), storetest.Keys(6)
	healthy := open(t, s.client(t, direct), table)
	for _, code := range []string{"ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"} {
		store := open(t, s.client(t, failing(code, 400, ks[1], ks[4])), table)
		only := func(err error) {
			t.Helper()
			batch, ok := errors.AsType[*claim.BatchError](err)
			require.True(t, ok, "%s: %v", code, err)
			require.Len(t, batch.Failed, 2)
			for i, f := range batch.Failed {
				assert.Equal(t, []int{1, 4}[i], f.Index)
				assert.Equal(t, fault.ClassInterrupted, fault.Of(f.Err))
				assert.ErrorContains(t, f.Err, ks[f.Index])
			}
		}
		results, err := store.Claim(ctx, "a", "nonce "+code, ks, time.Minute)
		only(err)
		var leases []claim.Lease
		for i, r := range results {
			if i == 1 || i == 4 {
				require.Zero(t, r)
				other, err := healthy.Claim(ctx, "b", fmt.Sprint(code, i), ks[i:i+1], time.Minute)
				require.NoError(t, err)
				r = other[0]
			}
			require.Equal(t, claim.Granted, r.Status)
			leases = append(leases, r.Lease)
		}
		only(store.Extend(ctx, leases, time.Minute))
		var back []claim.Return
		for _, l := range leases {
			back = append(back, claim.Return{Lease: l})
		}
		only(store.Release(ctx, back))
		require.NoError(t, healthy.Release(ctx, back), "what was released may be released again")
	}
}

func testUnprocessedKeysAreReadAgain(t *testing.T, s *server) {
	table, ks := s.table(t), storetest.Keys(7)
	healthy := open(t, s.client(t, direct), table)
	results, err := healthy.Claim(t.Context(), "a", "nonce", ks, time.Minute)
	require.NoError(t, err)
	require.NoError(t, healthy.Complete(t.Context(), []claim.Lease{results[3].Lease, results[6].Lease}))

	rec := &recorder{}
	sparing := open(t, s.client(t, func(next http.RoundTripper) http.RoundTripper {
		rec.next = firstKeyOnly(next)
		return rec
	}), table)
	entries, err := sparing.Inspect(t.Context(), ks)
	require.NoError(t, err)
	for i, e := range entries {
		want := claim.Processing
		if i == 3 || i == 6 {
			want = claim.Finished
		}
		require.Equal(t, want, e.State, "entry %d", i)
		require.Equal(t, ks[i], e.Key)
	}
	require.Equal(t, 7, rec.count("BatchGetItem"))
}

func testAFrozenProcessWritesNoShortLease(t *testing.T, s *server) {
	clock := &storetest.TimeMachine{}
	store := open(t, s.client(t, func(rt http.RoundTripper) http.RoundTripper {
		clock.Next = rt
		return clock
	}), s.table(t))
	storetest.FrozenProcess(t, store, clock.Advance)
}

func testExpiryIsSeenInTheAnswer(t *testing.T, s *server) {
	clock := &storetest.TimeMachine{}
	store := open(t, s.client(t, func(rt http.RoundTripper) http.RoundTripper {
		clock.Next = rt
		return clock
	}), s.table(t))
	for i := range 3 {
		results, err := store.Claim(t.Context(), "a", strconv.Itoa(i), []string{"k"}, time.Minute)
		require.NoError(t, err)
		require.Equal(t, claim.Granted, results[0].Status)
		require.Equal(t, i+1, results[0].Lease.Attempt)
		clock.Advance(time.Minute + 6*time.Second)
	}
}

func testANonceOutlivesItsLease(t *testing.T, s *server) {
	clock := &storetest.TimeMachine{}
	store := open(t, s.client(t, func(rt http.RoundTripper) http.RoundTripper {
		clock.Next = rt
		return clock
	}), s.table(t))
	storetest.LateNonce(t, store, clock.Advance)
}

func testListedAgainCostsReads(t *testing.T, s *server) {
	rec := &recorder{}
	store := open(t, s.client(t, func(rt http.RoundTripper) http.RoundTripper {
		rec.next = rt
		return rec
	}), s.table(t))
	ctx, ks, reads := t.Context(), storetest.Keys(250), 3
	if testtool.Brief() {
		ks, reads = ks[:110], 2
	}
	claimAll := func(nonce string) []claim.Lease {
		results, err := store.Claim(ctx, "a", nonce, ks, time.Minute)
		require.NoError(t, err)
		var leases []claim.Lease
		for _, r := range results {
			if r.Status == claim.Granted {
				leases = append(leases, r.Lease)
			}
		}
		return leases
	}
	require.NoError(t, store.Complete(ctx, claimAll("1")[:60]))
	require.Equal(t, reads, rec.count("BatchGetItem"), "the first call reads")
	require.Equal(t, len(ks)+60, rec.count("UpdateItem"))

	require.Empty(t, claimAll("2"))
	require.Equal(t, len(ks), rec.count("UpdateItem"), "nobody could know")
	require.Zero(t, rec.count("BatchGetItem"))

	require.Empty(t, claimAll("3"))
	require.Zero(t, rec.count("UpdateItem"), "after a call in vain it reads, and knows all")
	require.Equal(t, reads, rec.count("BatchGetItem"))

	fresh, err := store.Claim(ctx, "a", "4", []string{"x1", "x2"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, claim.Granted, fresh[1].Status)
	rec.count("BatchGetItem")
	_, err = store.Claim(ctx, "a", "5", []string{"x3", "x4"}, time.Minute)
	require.NoError(t, err)
	require.Zero(t, rec.count("BatchGetItem"), "after a call where all was free it does not read")
}

func testTTLOnlyCleans(t *testing.T, s *server) {
	table, ctx := s.table(t), t.Context()
	api := s.client(t, direct)
	expiry := func(key string) (int64, bool) {
		out, err := api.GetItem(ctx, &awsdynamodb.GetItemInput{
			TableName: &table, Key: map[string]types.AttributeValue{"k": &types.AttributeValueMemberB{Value: []byte(key)}},
		})
		require.NoError(t, err)
		n, ok := out.Item["e"].(*types.AttributeValueMemberN)
		if !ok {
			return 0, false
		}
		seconds, err := strconv.ParseInt(n.Value, 10, 64)
		require.NoError(t, err)
		return seconds, true
	}
	brief, err := dynamodb.New(api, dynamodb.Config{Table: table, Keep: time.Nanosecond, KeepFinished: time.Hour})
	require.NoError(t, err)
	results, err := brief.Claim(ctx, "a", "1", []string{"a", "b"}, 90*time.Minute)
	require.NoError(t, err)
	entries, err := brief.Inspect(ctx, []string{"a"})
	require.NoError(t, err)
	seconds, ok := expiry("a")
	require.True(t, ok)
	require.Greater(t, seconds*1000, entries[0].Expires.UnixMilli(), "an item is not to go while it is leased")

	require.NoError(t, brief.Complete(ctx, []claim.Lease{results[0].Lease}))
	seconds, ok = expiry("a")
	require.True(t, ok)
	require.InDelta(t, time.Now().Add(time.Hour).Unix(), seconds, 60)

	forever := open(t, api, table)
	require.NoError(t, forever.Complete(ctx, []claim.Lease{results[1].Lease}))
	_, ok = expiry("b")
	require.False(t, ok, "a finished key is kept until it is forgotten")
}

func testCreateTable(t *testing.T, s *server) {
	api, ctx := s.client(t, direct), t.Context()
	require.NoError(t, dynamodb.CreateTable(ctx, api, "made"))
	require.NoError(t, dynamodb.CreateTable(ctx, api, "made"), "repeated")
	ttl, err := api.DescribeTimeToLive(ctx, &awsdynamodb.DescribeTimeToLiveInput{TableName: aws.String("made")})
	require.NoError(t, err)
	require.Equal(t, types.TimeToLiveStatusEnabled, ttl.TimeToLiveDescription.TimeToLiveStatus)
	require.Equal(t, "e", *ttl.TimeToLiveDescription.AttributeName)
	table, err := api.DescribeTable(ctx, &awsdynamodb.DescribeTableInput{TableName: aws.String("made")})
	require.NoError(t, err)
	require.Equal(t, types.BillingModePayPerRequest, table.Table.BillingModeSummary.BillingMode)

	_, err = api.CreateTable(ctx, &awsdynamodb.CreateTableInput{
		TableName:            aws.String("other"),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	err = dynamodb.CreateTable(ctx, api, "other")
	require.Equal(t, fault.ClassFatal, fault.Of(err))
	require.ErrorContains(t, err, `other: a table of that name has another key`)

	for _, table := range []string{"other", "absent"} {
		_, err = open(t, api, table).Claim(ctx, "a", "1", []string{"k"}, time.Minute)
		require.Equal(t, fault.ClassFatal, fault.Of(err), "%s: %v", table, err)
	}
}

func testActions(t *testing.T, s *server) {
	rec := &recorder{}
	api := s.client(t, func(rt http.RoundTripper) http.RoundTripper {
		rec.next = rt
		return rec
	})
	ctx := t.Context()
	require.NoError(t, dynamodb.CreateTable(ctx, api, "actions"))
	require.Equal(t, dynamodb.SetupActions(), rec.actions())

	rec.ops = nil
	store := open(t, api, "actions")
	for i := range 2 { // with and without looking first
		results, err := store.Claim(ctx, "a", strconv.Itoa(i), []string{fmt.Sprint(i, 1), fmt.Sprint(i, 2)}, time.Minute)
		require.NoError(t, err)
		require.NoError(t, store.Extend(ctx, []claim.Lease{results[0].Lease}, time.Minute))
		require.NoError(t, store.Complete(ctx, []claim.Lease{results[0].Lease}))
		require.NoError(t, store.Release(ctx, []claim.Return{{Lease: results[1].Lease}}))
	}
	require.Equal(t, dynamodb.WorkerActions(), rec.actions())

	_, err := store.Count(ctx)
	require.NoError(t, err)
	_, err = store.Inspect(ctx, []string{"01"})
	require.NoError(t, err)
	for _, list := range []func(func(claim.Entry, error) bool){store.Completed(ctx), store.Expired(ctx, 0)} {
		for _, err := range list {
			require.NoError(t, err)
		}
	}
	require.NoError(t, store.Forget(ctx, []string{"0 1"}))
	all := slices.Sorted(slices.Values(append(dynamodb.WorkerActions(), dynamodb.InspectorActions()...)))
	require.Equal(t, all, rec.actions())
}

func testParallelIsBounded(t *testing.T, s *server) {
	var now, most atomic.Int64
	api := s.client(t, func(next http.RoundTripper) http.RoundTripper {
		return trip(func(r *http.Request) (*http.Response, error) {
			if operation(r) == "UpdateItem" {
				n := now.Add(1)
				defer now.Add(-1)
				for {
					m := most.Load()
					if n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
			}
			return next.RoundTrip(r)
		})
	})
	store, err := dynamodb.New(api, dynamodb.Config{Table: s.table(t), Parallel: 3})
	require.NoError(t, err)
	_, err = store.Claim(t.Context(), "a", "1", storetest.Keys(50), time.Minute)
	require.NoError(t, err)
	require.LessOrEqual(t, most.Load(), int64(3))
}

func testOddReasonsAndOwners(t *testing.T, s *server) {
	store := open(t, s.client(t, direct), s.table(t))
	ctx := t.Context()
	results, err := store.Claim(ctx, "own\xffer", "non\xffce", []string{"k"}, time.Minute)
	require.NoError(t, err)
	reason := strings.Repeat("ü", 600_000)
	require.NoError(t, store.Release(ctx, []claim.Return{{Lease: results[0].Lease, Counted: true, Reason: reason}}))
	entries, err := store.Inspect(ctx, []string{"k"})
	require.NoError(t, err)
	require.Equal(t, "owner", entries[0].Owner)
	require.Equal(t, reason[:1024], entries[0].Reason)
}

func BenchmarkDynamoDBLocal(b *testing.B) {
	s := startLocal(b)
	storetest.Bench(b, func(b *testing.B) storetest.Store {
		b.Helper()
		store, err := dynamodb.New(s.client(b, direct), dynamodb.Config{Table: s.table(b)})
		require.NoError(b, err)
		return store
	})
}
