package dynamodb_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/faultproxy"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/completiontest"
	"github.com/unspool-go/unspool/processor/completion/dynamodb"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trip is an http.RoundTripper of a function.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// clientOf returns a client that does not retry.
func clientOf(url string, rt http.RoundTripper) *awsdynamodb.Client {
	return awsdynamodb.New(awsdynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:   &http.Client{Transport: testtool.Transport(rt)},
		Retryer:      aws.NopRetryer{},
	})
}

// start starts a server for the rest of the test, and returns its URL: in brief the one
// of dynamodbtest, which is held against DynamoDB Local, else DynamoDB Local.
func start(t *testing.T) string {
	t.Helper()
	if testtool.Brief() {
		return dynamodbtest.Start(t, dynamodbtest.Config{}).URL()
	}
	return "http://" + testtool.DynamoDBLocal(t)
}

func transport(t testing.TB) http.RoundTripper {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 64
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func open(t testing.TB, api dynamodb.API, table string) *dynamodb.Store {
	s, err := dynamodb.New(api, dynamodb.Config{Table: table})
	require.NoError(t, err)
	return s
}

var set = completion.Set{Bucket: "b", Prefix: "out/", Run: "1"}

// Against a server: the rules of every store, what is kept, and which actions it needs.
func TestServer(t *testing.T) {
	url := start(t)
	var (
		tables atomic.Int64
		table  string
		ops    [4]atomic.Int64
	)
	names := []string{"BatchGetItem", "GetItem", "TransactWriteItems", "UpdateItem"}
	fresh := func(t testing.TB) string {
		name := "sets-" + strconv.FormatInt(tables.Add(1), 10)
		require.NoError(t, dynamodb.CreateTable(t.Context(), clientOf(url, transport(t)), name))
		return name
	}
	t.Run("Conformance", func(t *testing.T) {
		client := func(t testing.TB) *awsdynamodb.Client {
			next := transport(t)
			return clientOf(url, trip(func(r *http.Request) (*http.Response, error) {
				_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
				if i := slices.Index(names, op); i >= 0 {
					ops[i].Add(1)
				} else {
					t.Errorf("it calls %s", op)
				}
				return next.RoundTrip(r)
			}))
		}
		completiontest.Run(t, func(t testing.TB) completion.Store {
			table = fresh(t)
			return open(t, client(t), table)
		}, completiontest.Options{
			Arrivals: 150, Workers: 4, // blocks of 99
			Another: func(t testing.TB) completion.Store { return open(t, client(t), table) },
			Faulty: func(t testing.TB) (completion.Store, func(bool)) {
				var mute atomic.Bool
				next := transport(t)
				return open(t, clientOf(url, trip(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err == nil && mute.Load() {
						resp.Body.Close()
						return nil, errors.New("the answer was lost")
					}
					return resp, err
				})), table), mute.Store
			},
		})
		for i, name := range names {
			assert.Positive(t, ops[i].Load(), name)
		}
	})
	t.Run("BadNetwork", func(t *testing.T) {
		if testtool.Brief() {
			t.Skip("its clients wait and try again: UNSPOOL_FULL=1")
		}
		badNetwork(t, url, fresh(t))
	})
	t.Run("Keep", func(t *testing.T) {
		table, client := fresh(t), clientOf(url, transport(t))
		s, err := dynamodb.New(client, dynamodb.Config{Table: table, Keep: 48 * time.Hour})
		require.NoError(t, err)
		before := time.Now().Unix()
		_, err = s.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
		require.NoError(t, err)
		_, err = s.Swap(t.Context(), set, completion.Change{Arrivals: 1})
		require.NoError(t, err)
		all, err := client.Scan(t.Context(), &awsdynamodb.ScanInput{TableName: &table})
		require.NoError(t, err)
		require.Len(t, all.Items, 2)
		for _, item := range all.Items {
			e, err := strconv.ParseInt(item["e"].(*types.AttributeValueMemberN).Value, 10, 64)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, e, before+48*3600)
		}
	})
}

// badNetwork has three monitors count the same things, and three observers look, over
// connections that break and lose answers, with clients that try again by themselves:
// each thing is counted once, and the set completes once.
func badNetwork(t *testing.T, url, table string) {
	const things = 12
	bad, err := faultproxy.Start(strings.TrimPrefix(url, "http://"), faultproxy.Random(3, faultproxy.Odds{LoseAnswers: 0.15, Cut: 0.15, Refuse: 0.05}))
	require.NoError(t, err)
	defer bad.Close()
	client := func() *awsdynamodb.Client {
		tr := transport(t).(*http.Transport)
		tr.DisableKeepAlives = true // each request is a connection, with a fault of its own
		bad := "http://" + bad.Addr()
		return awsdynamodb.New(awsdynamodb.Options{
			Region: "us-east-1", BaseEndpoint: &bad, HTTPClient: &http.Client{Transport: tr},
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		})
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		calls []completion.Completion
	)
	for n := range 3 {
		wg.Go(func() {
			monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: open(t, client(), table)})
			assert.NoError(t, err)
			for i := range things / 3 {
				var some []completion.Arrival
				for k := range 5 { // each thing comes more than once, from each
					some = append(some, completion.Object(strconv.Itoa((i*3+k+n)%things), 1))
				}
				for range 100 {
					if _, err = monitor.Arrive(t.Context(), set, some...); err == nil {
						break
					}
				}
				assert.NoError(t, err)
			}
		})
		wg.Go(func() {
			observer, err := completion.New(completion.Config{
				Store: open(t, client(), table), Lease: 30 * time.Second,
				Policy: completion.Policy{Delay: completion.Constant(time.Second), Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
					return completion.Expectation{Count: things}, nil
				}},
				Complete: func(_ context.Context, c completion.Completion) error {
					mu.Lock()
					defer mu.Unlock()
					calls = append(calls, c)
					return nil
				},
			})
			assert.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			_, err = observer.Watch(ctx, set, nil)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	require.NotEmpty(t, calls)
	for _, c := range calls {
		assert.Equal(t, completion.Count{Arrivals: things, Objects: things, Records: things}, c.Count)
		assert.Equal(t, calls[0].ID(), c.ID())
	}
	rec, err := open(t, clientOf(url, transport(t)), table).Look(t.Context(), set)
	require.NoError(t, err)
	assert.Equal(t, calls[0].Count, rec.Count)
	assert.True(t, rec.Status.Fired)
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := dynamodb.New(nil, dynamodb.Config{Keep: -1})
	for _, text := range []string{"client is nil", "Table is empty", "Keep is"} {
		require.ErrorContains(t, err, text)
	}
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
}

// script answers requests by turns, and notes their bodies.
type script struct {
	answers []string // an error answer begins with {"__type"
	bodies  []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(body))
	text := s.answers[min(len(s.bodies), len(s.answers))-1]
	status := http.StatusOK
	if strings.HasPrefix(text, `{"__type"`) {
		status = http.StatusBadRequest
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

const cancelled = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":`

// A transaction that collides, as the count of a set is one item, is repeated; arrivals
// that are known are left out of the next.
func TestArriveGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &script{answers: []string{
			cancelled + `[{"Code":"ConditionalCheckFailed"},{"Code":"None"},{"Code":"TransactionConflict"}]}`,
			cancelled + `[{"Code":"None"},{"Code":"ThrottlingError"}]}`,
			`{}`,
		}}
		s := open(t, clientOf("http://dynamodb.test", wire), "sets")
		n, err := s.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0), completion.Object("b", 7)})
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		require.Len(t, wire.bodies, 3)
		assert.Contains(t, wire.bodies[0], `":n":{"N":"2"}`)
		assert.Contains(t, wire.bodies[2], `":n":{"N":"1"}`)
		assert.Contains(t, wire.bodies[2], `":r":{"N":"7"}`)
	})
}

// A swap that collides with a transaction that counts is repeated: else monitors would
// start one observer after the other while events come in.
func TestSwapGoesOn(t *testing.T) {
	const collided = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException"}`
	synctest.Test(t, func(t *testing.T) {
		wire := &script{answers: []string{collided, collided, `{}`}}
		s := open(t, clientOf("http://dynamodb.test", wire), "sets")
		ok, err := s.Swap(t.Context(), set, completion.Change{Arrivals: 1})
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Len(t, wire.bodies, 3)

		s = open(t, clientOf("http://dynamodb.test", &script{answers: []string{collided}}), "sets")
		_, err = s.Swap(t.Context(), set, completion.Change{Arrivals: 1})
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = s.Swap(ctx, set, completion.Change{Arrivals: 1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestArriveGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			answer string
			want   fault.Class
		}{
			"collisions":    {cancelled + `[{"Code":"None"},{"Code":"TransactionConflict"}]}`, fault.ClassInterrupted},
			"invalid":       {cancelled + `[{"Code":"ValidationError"},{"Code":"None"}]}`, fault.ClassFatal},
			"unknown":       {cancelled + `[{"Code":"Surprise"},{"Code":"None"}]}`, fault.ClassInterrupted},
			"no reasons":    {cancelled + `[]}`, fault.ClassInterrupted},
			"no table":      {`{"__type":"x#ResourceNotFoundException"}`, fault.ClassFatal},
			"throttled":     {`{"__type":"x#ProvisionedThroughputExceededException"}`, fault.ClassInterrupted},
			"access denied": {`{"__type":"x#AccessDeniedException"}`, fault.ClassFatal},
		} {
			s := open(t, clientOf("http://dynamodb.test", &script{answers: []string{c.answer}}), "sets")
			n, err := s.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
			assert.Zero(t, n, name)
			assert.Equal(t, c.want, fault.Of(err), "%s: %v", name, err)
		}
	})
}

// Keys that DynamoDB leaves unprocessed are asked for again: they are not missing.
func TestMissingAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := `{"Responses":{},"UnprocessedKeys":{"sets":{"Keys":[{"k":{"B":"YQ=="}}]}}}`
		wire := &script{answers: []string{left}}
		s := open(t, clientOf("http://dynamodb.test", wire), "sets")
		_, err := s.Missing(t.Context(), set, []string{"a"})
		require.Error(t, err)
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
		assert.Greater(t, len(wire.bodies), 3)
	})
}

func TestOddItems(t *testing.T) {
	for _, item := range []string{`{"n":{"S":"1"}}`, `{"n":{"N":"1.5"}}`, `{"s":{"N":"1"}}`, `{"s":{"S":"{"}}`} {
		s := open(t, clientOf("http://dynamodb.test", &script{answers: []string{`{"Item":` + item + `}`}}), "sets")
		_, err := s.Look(t.Context(), set)
		require.Error(t, err, item)
		assert.Equal(t, fault.ClassFatal, fault.Of(err), item)
	}
}
