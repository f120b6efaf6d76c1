package streampoll_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// endpoint is a server that speaks both protocols.
type endpoint struct {
	url       string
	transport http.RoundTripper
}

func newEndpoint(t testing.TB, url string) endpoint {
	t.Helper()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return endpoint{url, tr}
}

func (e endpoint) tables() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &e.url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient: &http.Client{Transport: e.transport}, Retryer: awssdk.NopRetryer{}, DisableValidateResponseChecksum: true,
	})
}

func (e endpoint) streams() *dynamodbstreams.Client {
	return dynamodbstreams.New(dynamodbstreams.Options{
		Region: "us-east-1", BaseEndpoint: &e.url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient: &http.Client{Transport: e.transport}, Retryer: awssdk.NopRetryer{},
	})
}

// create makes a table with a stream, and returns the ARN of that.
func (e endpoint) create(t testing.TB, name string) string {
	t.Helper()
	api := e.tables()
	_, err := api.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: awssdk.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: awssdk.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: awssdk.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	require.NoError(t, err)
	require.NoError(t, dynamodb.NewTableExistsWaiter(api).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute))
	stream, err := streampoll.Stream(t.Context(), api, name)
	require.NoError(t, err)
	return stream
}

// versions is how often each item is written.
const versions = 3

// item is the name of a change: an item and its version, which count from 0.
func item(i, version int) string { return fmt.Sprintf("%04d v%d", i, version) }

// fill writes a version of the items from, from+1, … to a table.
func (e endpoint) fill(t testing.TB, table string, from, n, version int) {
	t.Helper()
	api := e.tables()
	for some := range slices.Chunk(slices.Collect(func(yield func(int) bool) {
		for i := from; i < from+n && yield(i); i++ {
		}
	}), 25) {
		var puts []types.WriteRequest
		for _, i := range some {
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"id": &types.AttributeValueMemberS{Value: fmt.Sprintf("%04d", i)}, "version": &types.AttributeValueMemberN{Value: strconv.Itoa(version)},
			}}})
		}
		out, err := api.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: puts}})
		require.NoError(t, err)
		require.Empty(t, out.UnprocessedItems)
	}
}

// whole checks that there is each version of n items, the first time in their order:
// what comes again may come later. It returns how many came again.
func whole(t *testing.T, got []string, n int) (again int) {
	t.Helper()
	next := map[string]int{}
	for _, name := range got {
		id, version, ok := strings.Cut(name, " v")
		require.True(t, ok, name)
		switch v, err := strconv.Atoi(version); {
		case err != nil || v > next[id]:
			require.Fail(t, "a version is missing, or came too early", "%s after %d", name, next[id])
		case v < next[id]:
			again++
		default:
			next[id]++
		}
	}
	require.Len(t, next, n)
	for id, v := range next {
		require.Equal(t, versions, v, id)
	}
	return again
}

// fast is a configuration for servers that have no quota.
func fast(claims *memory.Store) streampoll.Config {
	return streampoll.Config{Claims: claims, PollInterval: 20 * time.Millisecond, ReadInterval: time.Millisecond, ScanInterval: 50 * time.Millisecond, RetryDelay: time.Millisecond, TTL: 10 * time.Minute}
}

// until waits until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 2*time.Minute, 5*time.Millisecond, what)
}

// named is a handler that notes items and their versions.
func named(f func(ctx context.Context, batch []change) (int, error)) *handler {
	return &handler{f: f, version: true}
}

// share runs two consumers of a table that is written to, some of whose batches fail,
// and checks that everything is settled.
func share(t *testing.T, e endpoint, stream string, items int, write func()) {
	var calls atomic.Int64
	h := named(func(_ context.Context, batch []change) (int, error) {
		switch n := calls.Add(1); {
		case n%11 == 0:
			return 0, errors.New("not now")
		case n%7 == 0:
			return len(batch) / 2, nil
		}
		return len(batch), nil
	})
	claims := memory.New()
	var stops []func() outcome
	for range 2 {
		c, err := streampoll.New(e.streams(), stream, h, fast(claims))
		require.NoError(t, err)
		stops = append(stops, start(t, c))
	}
	write()
	until(t, "everything is settled", func() bool { return len(h.settled()) >= items*versions })
	var settled, gaps int64
	for _, stop := range stops {
		out := stop()
		assert.NoError(t, out.err)
		settled += out.stats.Settled
		gaps += out.stats.Gaps
	}
	assert.Zero(t, whole(t, h.settled(), items), "nobody died")
	assert.EqualValues(t, items*versions, settled)
	assert.Zero(t, gaps)
	assert.Empty(t, h.mistakes())
}

// Shards split and roll over while they are read, and every fourth request fails.
func TestThroughTheRealClient(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{Shards: 2})
	e := newEndpoint(t, srv.URL())
	stream := e.create(t, "orders")
	var n atomic.Int64
	srv.Inject(func(c *dynamodbtest.Call) dynamodbtest.Fault {
		if c.Writes > 0 || c.Operation == "DescribeStream" && n.Load() > 200 {
			return dynamodbtest.Fault{}
		}
		switch i := n.Add(1); {
		case i%31 == 0 && c.Operation == "GetRecords":
			return dynamodbtest.Fault{Code: "ExpiredIteratorException"}
		case i%23 == 0:
			return dynamodbtest.Fault{Code: "LimitExceededException"}
		case i%29 == 0:
			return dynamodbtest.Fault{Cut: true}
		case i%37 == 0:
			return dynamodbtest.Fault{LoseResponse: true}
		}
		return dynamodbtest.Fault{}
	})
	share(t, e, stream, 300, func() {
		for version := range versions {
			for from := 0; from < 300; from += 100 {
				e.fill(t, "orders", from, 100, version)
				if from == 100 {
					srv.SplitShards("orders")
				} else {
					srv.RollShards("orders")
				}
			}
		}
	})
}

// What a day has trimmed is told, and what is left is read.
func TestTrimmedByTheServer(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	e := newEndpoint(t, srv.URL())
	stream := e.create(t, "orders")
	claims, h, errs := memory.New(), named(nil), &faults{}
	cfg := fast(claims)
	cfg.OnError = errs.add
	run := func(want int) streampoll.Stats {
		c, err := streampoll.New(e.streams(), stream, h, cfg)
		require.NoError(t, err)
		stop := start(t, c)
		until(t, "everything is settled", func() bool { return len(h.settled()) == want })
		out := stop()
		require.NoError(t, out.err)
		return out.stats
	}
	e.fill(t, "orders", 0, 10, 0)
	assert.Zero(t, run(10).Gaps)
	e.fill(t, "orders", 0, 10, 1)
	srv.Advance(25 * time.Hour)
	e.fill(t, "orders", 0, 10, 2)
	assert.EqualValues(t, 1, run(20).Gaps)
	assert.Equal(t, 1, errs.gaps())
	assert.Equal(t, item(0, 2), h.settled()[10])
}

func TestWithDynamoDBLocal(t *testing.T) {
	if testtool.Brief() {
		t.Skip("in brief dynamodbtest stands in, which is held against it: UNSPOOL_FULL=1")
	}
	e := newEndpoint(t, "http://"+testtool.DynamoDBLocal(t))
	onAServer(t, e)
	t.Run("Killed", func(t *testing.T) { killed(t, e) })
}

func TestWithTheStandIn(t *testing.T) {
	onAServer(t, newEndpoint(t, dynamodbtest.Start(t, dynamodbtest.Config{}).URL()))
}

// onAServer is what holds with every server.
func onAServer(t *testing.T, e endpoint) {
	t.Run("Shared", func(t *testing.T) {
		stream := e.create(t, "orders")
		share(t, e, stream, 100, func() {
			for version := range versions {
				e.fill(t, "orders", 0, 100, version)
			}
		})
	})
	t.Run("Latest", func(t *testing.T) { latestOfAServer(t, e) })
	t.Run("NoSuchStream", func(t *testing.T) {
		c, err := streampoll.New(e.streams(), arn, named(nil), streampoll.Config{})
		require.NoError(t, err)
		_, err = c.Run(t.Context())
		require.ErrorContains(t, err, "ResourceNotFound")
		_, err = streampoll.Stream(t.Context(), e.tables(), "nowhere")
		require.ErrorContains(t, err, "ResourceNotFound")
	})
}

// latestOfAServer is with a server that knows no iterators by time, and whose times are
// those of whole minutes.
func latestOfAServer(t *testing.T, e endpoint) {
	stream := e.create(t, "late")
	e.fill(t, "late", 0, 50, 0)
	h, cfg := named(nil), fast(memory.New())
	cfg.Latest = true
	c, err := streampoll.New(e.streams(), stream, h, cfg)
	require.NoError(t, err)
	stop := start(t, c)
	e.fill(t, "late", 0, 50, 1)
	until(t, "everything is settled", func() bool {
		names := h.settled()
		return len(names) >= 50 && names[len(names)-1] == item(49, 1)
	})
	out := stop()
	assert.EqualValues(t, 100, out.stats.Settled+out.stats.Skipped, "those before may come if they are of the same minute")
}
