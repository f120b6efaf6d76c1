package s3_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/internal/storetest"
	"github.com/unspool-go/unspool/claim/s3"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
)

// fleet is a store of its own, in a bucket that is reached by rt, on a machine
// where it is now.
func fleet(t testing.TB, url, prefix string, rt http.RoundTripper, now func() time.Time) claimtest.Fleet {
	store := func(rt http.RoundTripper) claim.Claimer {
		s, err := s3.New(clientOf(url, rt, signByOwnClock), s3.Config{Bucket: "claims-bucket", Prefix: prefix})
		require.NoError(t, err)
		s.SetClock(now)
		return s
	}
	return claimtest.Fleet{
		Store:  store(rt),
		Worker: func(testing.TB, time.Duration) claim.Claimer { return store(rt) }, // which has no clock
		Later:  func(t testing.TB) { setFormat(t, clientOf(url, rt, signByOwnClock), prefix+nameOf("k"), "2") },
		Faulty: func(testing.TB) claimtest.Faulty {
			f := &faults{next: rt}
			return claimtest.Faulty{
				Store:  store(f),
				Mute:   func(on bool) { f.mute.Store(on) },
				Away:   func(on bool) { f.away.Store(on) },
				Partly: func(on bool) { f.partly.Store(on) },
			}
		},
	}
}

// signByOwnClock keeps the SDK from signing by the dates of a [storetest.TimeMachine].
func signByOwnClock(o *awss3.Options) { o.DisableClockSkewCorrection = true }

// faults is a way to the store that can fail.
type faults struct {
	next               http.RoundTripper
	mute, away, partly atomic.Bool
}

func (f *faults) RoundTrip(r *http.Request) (*http.Response, error) {
	hash := r.URL.Path[max(0, len(r.URL.Path)-len(nameOf(""))):] // of a key; a probe has none
	if f.away.Load() || f.partly.Load() && hash < "8" && !strings.Contains(hash, "/") {
		return nil, errors.New("connection refused")
	}
	resp, err := f.next.RoundTrip(r)
	if err == nil && f.mute.Load() {
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return resp, err
}

func TestConformance(t *testing.T) {
	opts := claimtest.Options{Bubble: true, Expiry: storetest.Expiry, Keys: 500, Workers: 8}
	if testtool.Brief() { // the SDK takes a third of a millisecond a request
		opts.Keys, opts.Workers = 40, 4
	}
	claimtest.RunFleet(t, func(t testing.TB) claimtest.Fleet {
		return fleet(t, "http://s3.test", "claims/", &bucket{}, time.Now)
	}, opts)
}

func TestConformanceOfTheRealProtocol(t *testing.T) {
	if testtool.Brief() {
		t.Skip("in brief TestConformance checks the rules on a stand-in: UNSPOOL_FULL=1")
	}
	server := startServer(t)
	clock := &storetest.TimeMachine{Next: server.transport(t)}
	var n atomic.Int64
	claimtest.RunFleet(t, func(t testing.TB) claimtest.Fleet {
		return fleet(t, server.url, fmt.Sprintf("claims %d/", n.Add(1)), clock, clock.Now)
	}, claimtest.Options{Expiry: storetest.Expiry, Advance: clock.Advance, Keys: 256, Workers: 8})
}

// server is a versitygw.
type server struct{ url string }

// startServer starts versitygw, with a bucket, for the rest of the test.
func startServer(tb testing.TB) *server {
	tb.Helper()
	gateway := testtool.Find(tb, "versitygw")
	addr := testtool.Addr(tb)
	cmd := exec.CommandContext(context.Background(), gateway, "--quiet", "--health", "/health", "--port", addr, "posix", tb.TempDir())
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=key", "ROOT_SECRET_KEY=secretsecret")
	testtool.Start(tb, cmd, testtool.Listening(addr))
	s := &server{"http://" + addr}
	_, err := clientOf(s.url, s.transport(tb)).CreateBucket(tb.Context(), &awss3.CreateBucketInput{Bucket: aws.String("claims-bucket")})
	require.NoError(tb, err)
	return s
}

func (s *server) transport(tb testing.TB) http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	tb.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := s3.New(nil, s3.Config{Parallel: -1})
	for _, text := range []string{"client is nil", "Bucket is empty", "Prefix is empty", "Parallel is -1"} {
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, fault.ClassFatal, fault.Of(err))
	_, err = s3.New(nil, s3.Config{Prefix: strings.Repeat("x", 1000)})
	require.ErrorContains(t, err, "Prefix has 1000 bytes: want at most 900")
}

func TestAStoreThatIgnoresConditionsIsRefused(t *testing.T) {
	ctx := t.Context()
	for _, ignored := range []string{"PUT If-None-Match", "PUT If-Match"} {
		b := &bucket{ignores: ignored}
		store := open(t, b)
		l := claim.Lease{Key: "k", Token: "t"}
		_, claimed := store.Claim(ctx, "a", "1", []string{"k"}, time.Minute)
		for op, err := range map[string]error{
			"claim": claimed, "extend": store.Extend(ctx, []claim.Lease{l}, time.Minute),
			"complete": store.Complete(ctx, []claim.Lease{l}), "release": store.Release(ctx, []claim.Return{{Lease: l}}),
		} {
			require.ErrorIs(t, err, s3.ErrIgnoresConditions, "%s: %s", ignored, op)
			require.Equal(t, fault.ClassFatal, fault.Of(err))
			require.ErrorContains(t, err, strings.Replace(ignored, " ", " with ", 1))
		}
		require.Empty(t, b.objects, "the probe leaves nothing behind")
	}
	store := open(t, &bucket{refuses: "If-Match"})
	_, err := store.Claim(ctx, "a", "1", []string{"k"}, time.Minute)
	require.ErrorContains(t, err, "cannot compare and swap")
	require.Equal(t, fault.ClassFatal, fault.Of(err))

	deletes := &bucket{ignores: "DELETE If-Match"}
	store = open(t, deletes)
	results, err := store.Claim(ctx, "a", "1", []string{"k"}, time.Minute)
	require.NoError(t, err, "it works without deletion")
	require.NoError(t, store.Complete(ctx, []claim.Lease{results[0].Lease}))
	err = store.Forget(ctx, []string{"k"})
	require.ErrorIs(t, err, s3.ErrIgnoresConditions)
	results, err = store.Claim(ctx, "a", "2", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, claim.Done, results[0].Status)
}

func TestAnswersWithoutADateAreFatal(t *testing.T) {
	_, err := open(t, &bucket{dateless: true}).Claim(t.Context(), "a", "1", []string{"k"}, time.Minute)
	require.ErrorContains(t, err, "no Date header")
	require.Equal(t, fault.ClassFatal, fault.Of(err))
}

func TestTheProbeIsMadeOnce(t *testing.T) {
	b := &bucket{}
	store := open(t, b)
	_, err := store.Claim(t.Context(), "a", "1", []string{"k1"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 5, b.count("PutObject"), "four of the probe")
	require.Equal(t, 1, b.count("DeleteObject"))
	_, err = store.Claim(t.Context(), "a", "2", []string{"k2"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 1, b.count("PutObject"))
	require.Zero(t, b.count("DeleteObject"))
}

// firstTime reports true for the first of each kind of request about an object.
func firstTime() func(*http.Request) bool {
	var mu sync.Mutex
	seen := make(map[string]bool)
	return func(r *http.Request) bool {
		kind := r.Method + " " + r.URL.Path
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return false
			}
			var change struct {
				State    string
				Attempt  int
				Progress string
			}
			if json.NewDecoder(body).Decode(&change) == nil { // times differ between repetitions
				kind += fmt.Sprint(change)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		first := !seen[kind]
		seen[kind] = true
		return first
	}
}

func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Each probe has a name of its own, so that all of them would fail.
		lost := firstTime()
		storetest.EveryStep(t, open(t, &bucket{lose: func(r *http.Request) bool {
			return !strings.Contains(r.URL.Path, "probe") && r.Method != http.MethodGet && lost(r)
		}}))
	})
}

// retrying is the SDK's own retrying.
func retrying(o *awss3.Options) { o.Retryer = retry.NewStandard() }

func TestLostAnswersAndTheSDKsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storetest.EveryStep(t, open(t, &bucket{lose: firstTime()}, retrying))
	})
}

func TestConflictsAndInternalErrorsAreTriedAgain(t *testing.T) {
	for _, status := range []int{409, 500, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{}
				fails := firstTime()
				b.fail = func(r *http.Request) *http.Response {
					if (r.Method != http.MethodGet || status != 409) && fails(r) {
						return b.refuse(r, status)
					}
					return nil
				}
				storetest.EveryStep(t, open(t, b, retrying))
			})
		})
	}
}

func TestConflictsForEverAreAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{}
		store := open(t, b)
		results, err := store.Claim(t.Context(), "a", "1", storetest.Keys(1), time.Minute)
		require.NoError(t, err)
		b.fail = func(r *http.Request) *http.Response {
			if r.Method == http.MethodPut {
				return b.refuse(r, http.StatusConflict)
			}
			return nil
		}
		err = store.Complete(t.Context(), []claim.Lease{results[0].Lease})
		require.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		err = store.Complete(ctx, []claim.Lease{results[0].Lease})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(start), "it waits on after its context has ended")
	})
}

func TestThrottledEntriesFailAlone(t *testing.T) {
	b := &bucket{}
	store, ctx, ks := open(t, b), t.Context(), storetest.Keys(6)
	results, err := store.Claim(ctx, "a", "1", ks, time.Minute)
	require.NoError(t, err)
	var leases []claim.Lease
	for _, r := range results {
		leases = append(leases, r.Lease)
	}
	b.fail = func(r *http.Request) *http.Response {
		for _, i := range []int{1, 4} {
			if strings.HasSuffix(r.URL.Path, nameOf(ks[i])) {
				return b.refuse(r, http.StatusServiceUnavailable)
			}
		}
		return nil
	}
	only := func(err error) {
		t.Helper()
		batch, ok := errors.AsType[*claim.BatchError](err)
		require.True(t, ok, "%v", err)
		require.Len(t, batch.Failed, 2)
		for i, f := range batch.Failed {
			assert.Equal(t, []int{1, 4}[i], f.Index)
			assert.Equal(t, fault.ClassInterrupted, fault.Of(f.Err))
		}
	}
	only(store.Extend(ctx, leases, time.Minute))
	only(store.Complete(ctx, leases))
	again, err := store.Claim(ctx, "b", "2", ks, time.Minute)
	only(err)
	for i, r := range again {
		want := claim.Done
		if i == 1 || i == 4 {
			want = 0
		}
		require.Equal(t, want, r.Status)
	}
	b.fail = nil
	require.NoError(t, store.Complete(ctx, leases))
}

func TestAFrozenProcessWritesNoShortLease(t *testing.T) {
	b := &bucket{}
	storetest.FrozenProcess(t, open(t, b), b.advance)
}

func TestANonceOutlivesItsLease(t *testing.T) {
	b := &bucket{}
	storetest.LateNonce(t, open(t, b), b.advance)
}

func TestRequestsOfEachStep(t *testing.T) {
	b := &bucket{}
	store, ctx, ks := open(t, b), t.Context(), storetest.Keys(20)
	_, err := store.Claim(ctx, "a", "0", []string{"other"}, time.Minute) // probes, reads, is granted
	require.NoError(t, err)
	requests := func(put, get int, when string) {
		t.Helper()
		assert.Equal(t, put, b.count("PutObject"), "PUT of %s", when)
		assert.Equal(t, get, b.count("GetObject"), "GET of %s", when)
	}
	requests(5, 3, "the first call")

	results, err := store.Claim(ctx, "a", "1", ks, time.Minute)
	require.NoError(t, err)
	requests(20, 0, "a fresh claim")
	var leases []claim.Lease
	for _, r := range results {
		leases = append(leases, r.Lease)
	}
	require.NoError(t, store.Extend(ctx, leases, time.Minute))
	requests(20, 0, "a heartbeat")
	require.NoError(t, store.Complete(ctx, leases))
	requests(20, 0, "completion")
	_, err = store.Claim(ctx, "a", "2", ks, time.Minute)
	require.NoError(t, err)
	requests(20, 20, "a claim in vain")
	_, err = store.Claim(ctx, "a", "3", ks, time.Minute)
	require.NoError(t, err)
	requests(0, 20, "the claim after one in vain")
}

func TestAForgottenKeyThatWasClaimedAgainIsLeftAlone(t *testing.T) {
	b := &bucket{}
	store, other, ctx := open(t, b), open(t, b), t.Context()
	results, err := store.Claim(ctx, "a", "1", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.NoError(t, store.Complete(ctx, []claim.Lease{results[0].Lease}))
	require.NoError(t, store.Forget(ctx, nil))

	// Between the read and the deletion of one Forget, another forgets the key
	// and a worker claims it.
	var begun atomic.Bool
	b.fail = func(r *http.Request) *http.Response {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, nameOf("k")) && begun.CompareAndSwap(false, true) {
			require.NoError(t, other.Forget(ctx, []string{"k"}))
			results, err = other.Claim(ctx, "b", "2", []string{"k"}, time.Minute)
			require.NoError(t, err)
		}
		return nil
	}
	require.NoError(t, store.Forget(ctx, []string{"k"}))
	require.Equal(t, claim.Granted, results[0].Status)
	require.NoError(t, other.Complete(ctx, []claim.Lease{results[0].Lease}), "the new lease was deleted")
}

func TestListingGoesPageByPage(t *testing.T) {
	b := &bucket{pageSize: 7}
	store, ctx := open(t, b), t.Context()
	results, err := store.Claim(ctx, "a", "1", storetest.Keys(30), time.Minute)
	require.NoError(t, err)
	var leases []claim.Lease
	for _, r := range results {
		leases = append(leases, r.Lease)
	}
	require.NoError(t, store.Complete(ctx, leases))
	b.objects["claims/readme.txt"] = "not ours, and not named as ours"
	seen := make(map[string]bool)
	for e, err := range store.Completed(ctx) {
		require.NoError(t, err)
		seen[e.Key] = true
	}
	require.Len(t, seen, 30)
	require.Equal(t, 5, b.count("ListObjectsV2"))

	for range store.Completed(ctx) {
		break
	}
	require.Equal(t, 1, b.count("ListObjectsV2"), "a listing that is broken off goes no further")
}

func TestObjectsThatAreNoClaims(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"text":          {"secret text", "is no claim"},
		"other JSON":    {`{"format":1,"key":"other"}`, "is no claim"},
		"no format":     {`{"key":"k"}`, "is no claim"},
		"later version": {`{"format":2,"key":"k"}`, "has format 2, and this version reads up to 1"},
		"another shape": {`{"format":3,"key":["k"],"state":7}`, "has format 3, and this version reads up to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bucket{objects: map[string]string{"claims/" + nameOf("k"): c.body}, ops: make(map[string]int)}
			_, err := open(t, b).Claim(t.Context(), "a", "1", []string{"k"}, time.Minute)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.ClassFatal, fault.Of(err))
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestErrorsAreClassified(t *testing.T) {
	respond := func(status int, code string) func(*bucket, *http.Request) *http.Response {
		return func(b *bucket, r *http.Request) *http.Response {
			return b.answer(r, status, "<Error><Code>"+code+"</Code></Error>", "")
		}
	}
	for name, c := range map[string]struct {
		respond func(*bucket, *http.Request) *http.Response
		want    fault.Class
	}{
		"slow down":       {respond(503, "SlowDown"), fault.ClassInterrupted},
		"internal error":  {respond(500, "InternalError"), fault.ClassInterrupted},
		"timeout":         {respond(400, "RequestTimeout"), fault.ClassInterrupted},
		"clock":           {respond(403, "RequestTimeTooSkewed"), fault.ClassInterrupted},
		"access denied":   {respond(403, "AccessDenied"), fault.ClassFatal},
		"no bucket":       {respond(404, "NoSuchBucket"), fault.ClassFatal},
		"other region":    {respond(301, "PermanentRedirect"), fault.ClassFatal},
		"not implemented": {respond(501, "NotImplemented"), fault.ClassFatal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{}
				store, ctx := open(t, b), t.Context()
				results, err := store.Claim(ctx, "a", "the-nonce", []string{"k"}, time.Minute)
				require.NoError(t, err)
				l := results[0].Lease
				l.Progress = "the-progress"
				b.fail = func(r *http.Request) *http.Response { return c.respond(b, r) }
				_, claimed := store.Claim(ctx, "a", "the-nonce", []string{"k"}, time.Minute)
				_, inspected := store.Inspect(ctx, []string{"k"})
				_, counted := store.Count(ctx)
				for op, err := range map[string]error{
					"claim": claimed, "inspect": inspected, "count": counted,
					"extend":   store.Extend(ctx, []claim.Lease{l}, time.Minute),
					"complete": store.Complete(ctx, []claim.Lease{l}),
					"release":  store.Release(ctx, []claim.Return{{Lease: l, Reason: "the-reason"}}),
					"forget":   store.Forget(ctx, []string{"k"}),
				} {
					require.Equal(t, c.want, fault.Of(err), "%s: %v", op, err)
					for _, secret := range []string{"the-progress", "the-nonce", l.Token, "secretsecret"} {
						require.NotContains(t, err.Error(), secret, op)
					}
				}
			})
		})
	}
}

func TestOddReasonsAndOwners(t *testing.T) {
	store, ctx := open(t, &bucket{}), t.Context()
	results, err := store.Claim(ctx, "own\xffer", "non\xffce", []string{"k"}, time.Minute)
	require.NoError(t, err)
	again, err := store.Claim(ctx, "own\xffer", "non\xffce", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, results, again)
	other, err := store.Claim(ctx, "own\xffer", "non\ufffdce", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, claim.Held, other[0].Status, "another nonce")
	reason := strings.Repeat("ü", 600_000)
	require.NoError(t, store.Release(ctx, []claim.Return{{Lease: results[0].Lease, Counted: true, Reason: reason}}))
	entries, err := store.Inspect(ctx, []string{"k"})
	require.NoError(t, err)
	require.Equal(t, "owner", entries[0].Owner)
	require.Equal(t, reason[:1024], entries[0].Reason)
}

func TestTheLongestRecordIsRead(t *testing.T) {
	store, ctx := open(t, &bucket{}), t.Context()
	worst := strings.Repeat("\x01", claim.MaxKeyBytes) // six bytes each in JSON
	results, err := store.Claim(ctx, strings.Repeat("\x01", 5000), strings.Repeat("\x01", 1000), []string{worst}, time.Minute)
	require.NoError(t, err)
	l := results[0].Lease
	l.Progress = strings.Repeat("\x01", claim.MaxProgressBytes)
	require.NoError(t, store.Release(ctx, []claim.Return{{Lease: l, Reason: strings.Repeat("\x01", 5000)}}))
	entries, err := store.Inspect(ctx, []string{worst})
	require.NoError(t, err)
	require.Equal(t, l.Progress, entries[0].Progress)
}

func TestTheClientOfTheCallerIsKept(t *testing.T) {
	own := &http.Client{}
	cfg := aws.Config{Region: "us-east-1", HTTPClient: own}
	require.Same(t, own, s3.NewClient(cfg).Options().HTTPClient)
	cfg.HTTPClient = nil
	require.NotNil(t, s3.NewClient(cfg).Options().HTTPClient)
}

func TestActions(t *testing.T) {
	b := &bucket{}
	store, ctx := open(t, b), t.Context()
	results, err := store.Claim(ctx, "a", "1", []string{"k"}, time.Minute)
	require.NoError(t, err)
	require.NoError(t, store.Complete(ctx, []claim.Lease{results[0].Lease}))
	_, err = store.Count(ctx)
	require.NoError(t, err)
	require.NoError(t, store.Forget(ctx, []string{"k"}))
	var got []string
	for op := range maps.Keys(b.ops) {
		action, _, _ := strings.Cut(op, "sV2")
		got = append(got, "s3:"+strings.Replace(action, "ListObject", "ListBucket", 1))
	}
	slices.Sort(got)
	require.Equal(t, s3.Actions(), got)

	// The package comment is what people copy their policies from.
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	got = nil
	for _, m := range regexp.MustCompile(`(?m)^\t(s3:\w+)$`).FindAllStringSubmatch(file.Doc.Text(), -1) {
		got = append(got, m[1])
	}
	require.Equal(t, s3.Actions(), got)
}

func ExampleNew() {
	client := s3.NewClient(aws.Config{Region: "eu-central-1"})
	_, err := s3.New(client, s3.Config{Bucket: "claims", Parallel: -1})
	fmt.Println(err)
	// Output:
	// configure S3 claims: Prefix is empty
	// Parallel is -1: want more than 0
}

func ExampleActions() {
	fmt.Println(s3.Actions())
	// Output:
	// [s3:DeleteObject s3:GetObject s3:ListBucket s3:PutObject]
}

func BenchmarkVersitygw(b *testing.B) {
	server := startServer(b)
	var n atomic.Int64
	storetest.Bench(b, func(b *testing.B) storetest.Store {
		b.Helper()
		store, err := s3.New(clientOf(server.url, server.transport(b)), s3.Config{Bucket: "claims-bucket", Prefix: fmt.Sprintf("%d/", n.Add(1))})
		require.NoError(b, err)
		return store
	})
}
