package dynamodb

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sinktest"
)

// local is a client of DynamoDB Local.
type local struct {
	*awsdynamodb.Client
	tables atomic.Int64
}

func startLocal(t testing.TB) *local {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &local{Client: awsdynamodb.New(awsdynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + testtool.DynamoDBLocal(t)),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: transport}, Retryer: aws.NopRetryer{},
		DisableValidateResponseChecksum: true, // it sends none
	})}
}

// open returns a sink to a table of its own, whose key is the text "id".
func (l *local) open(t testing.TB, cfg Config) *Sink {
	t.Helper()
	cfg.Table = "items-" + strconv.FormatInt(l.tables.Add(1), 10)
	_, err := l.CreateTable(t.Context(), &awsdynamodb.CreateTableInput{
		TableName: &cfg.Table, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
	})
	require.NoError(t, err)
	s, err := New(l, cfg)
	require.NoError(t, err)
	return s
}

func (l *local) get(t testing.TB, s *Sink, id string) Item {
	t.Helper()
	out, err := l.GetItem(t.Context(), &awsdynamodb.GetItemInput{
		TableName: &s.cfg.Table, Key: Item{"id": &types.AttributeValueMemberS{Value: id}}, ConsistentRead: aws.Bool(true),
	})
	require.NoError(t, err)
	return out.Item
}

func TestDynamoDBLocal(t *testing.T) {
	l := startLocal(t)
	t.Run("conformance", l.conformance)
	t.Run("items are as they were sent", func(t *testing.T) {
		s := l.open(t, Config{})
		body := `{"id":"a","text":"é\u0000\"","n":12345678901234567890.123456789,"small":1e-130,"great":9.99e125,"deep":{"list":[null,true,{"k":[]}]},"none":""}`
		require.NoError(t, s.Send(t.Context(), messages(body)))
		want, err := FromJSON([]byte(body))
		require.NoError(t, err)
		got := l.get(t, s, "a")
		for _, n := range []string{"n", "small", "great"} { // it writes numbers in its own way
			assert.Equal(t, plainNumber(want[n].(*types.AttributeValueMemberN).Value), plainNumber(got[n].(*types.AttributeValueMemberN).Value), n)
			delete(want, n)
			delete(got, n)
		}
		assert.Equal(t, want, got)
	})
	t.Run("what is there already", func(t *testing.T) {
		s := l.open(t, Config{Mode: PutIfAbsent})
		require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","n":1}`)))
		require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","n":2}`, `{"id":"b"}`)))
		assert.Equal(t, &types.AttributeValueMemberN{Value: "1"}, l.get(t, s, "a")["n"])
		assert.NotEmpty(t, l.get(t, s, "b"))
		assert.EqualValues(t, 1, s.Existing())
	})
	t.Run("merge", func(t *testing.T) {
		s := l.open(t, Config{Mode: Merge})
		_, err := l.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &s.cfg.Table, Item: Item{"id": text("a"), "state": text("new"), "n": number("1")}})
		require.NoError(t, err)
		err = s.Send(t.Context(), messages(`{"id":"a","state":"done","deep":{"list":[1]}}`, `{"id":"b","state":"done"}`, `{"id":"a"}`))
		assert.Equal(t, map[int]fault.Class{1: fault.ClassRetryable}, fates(t, err))
		assert.Equal(t, Item{
			"id": text("a"), "state": text("done"), "n": number("1"),
			"deep": &types.AttributeValueMemberM{Value: Item{"list": &types.AttributeValueMemberL{Value: []types.AttributeValue{number("1")}}}},
		}, l.get(t, s, "a"))
		assert.Empty(t, l.get(t, s, "b"), "nothing is made")

		require.NoError(t, s.Send(t.Context(), messages(wide(400))))
		assert.Len(t, l.get(t, s, "a"), 404)
		assert.Equal(t, map[int]fault.Class{0: fault.ClassCorrupt}, fates(t, s.Send(t.Context(), messages(wide(1000)))), "no expression is that long")
		large := func(name string) string {
			return `{"id":"a","` + name + `":"` + strings.Repeat("x", maxItemBytes/2) + `"}`
		}
		require.NoError(t, s.Send(t.Context(), messages(large("x"))))
		assert.Equal(t, map[int]fault.Class{0: fault.ClassCorrupt}, fates(t, s.Send(t.Context(), messages(large("y")))), "nor an item that large")
	})
	// What FromJSON and itemSize refuse is what the table would, and no more.
	t.Run("limits", func(t *testing.T) {
		s := l.open(t, Config{})
		_, err := s.keyOf(t.Context())
		require.NoError(t, err)
		for _, n := range []string{"1e-130", "1e-131", "9.99e125", "1e126", strings.Repeat("9", 38), strings.Repeat("9", 39), "0e999", "0.00", "1" + strings.Repeat("0", 60)} {
			_, ours := FromJSON([]byte(`{"id":"a","n":` + n + `}`))
			_, theirs := l.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &s.cfg.Table, Item: Item{
				"id": &types.AttributeValueMemberS{Value: "a"}, "n": &types.AttributeValueMemberN{Value: n},
			}})
			assert.Equal(t, theirs == nil, ours == nil, "%s: %v, %v", n, ours, theirs)
		}
		for _, n := range []int{maxItemBytes - 7, maxItemBytes - 6} { // with names and id, one byte less than the limit, and the limit exceeded
			item := Item{"id": &types.AttributeValueMemberS{Value: "a"}, "text": &types.AttributeValueMemberS{Value: strings.Repeat("x", n)}}
			_, theirs := l.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &s.cfg.Table, Item: item})
			assert.Equal(t, theirs == nil, itemSize(item) <= maxItemBytes, "%d bytes: %v", itemSize(item), theirs)
		}
		list := &types.AttributeValueMemberL{}
		for _, n := range []string{"7", "-7", "12345678", "0.00123456", "12000000", "1.5e20", "-1E-5", strings.Repeat("9", 38)} {
			list.Value = append(list.Value, slices.Repeat([]types.AttributeValue{number(n)}, 200)...)
		}
		item := Item{"id": text("a"), "n": list, "text": text("")}
		item["text"] = text(strings.Repeat("x", maxItemBytes+1-itemSize(item)))
		_, theirs := l.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &s.cfg.Table, Item: item})
		assert.Error(t, theirs, "what is refused here is not what the table would take")
	})
	t.Run("no table", func(t *testing.T) {
		s, err := New(l, Config{Table: "nowhere"})
		require.NoError(t, err)
		_, err = s.Limits(t.Context())
		assert.Equal(t, fault.ClassFatal, fault.Of(err))
	})
}

// conformance has items made of what the suite sends, numbered as they come.
func (l *local) conformance(t *testing.T) {
	sinktest.Run(t, sinktest.Harness{
		New: func(t testing.TB) sink.Sink {
			var n atomic.Int64
			return l.open(t, Config{Item: func(body []byte) (Item, error) {
				return Item{
					"id": &types.AttributeValueMemberS{Value: strconv.FormatInt(n.Add(1), 10)}, "body": &types.AttributeValueMemberS{Value: string(body)},
				}, nil
			}})
		},
		Accepted: func(t testing.TB, s sink.Sink) (accepted []sink.Message) {
			pages := awsdynamodb.NewScanPaginator(l, &awsdynamodb.ScanInput{TableName: &s.(*Sink).cfg.Table, ConsistentRead: aws.Bool(true)})
			bodies := map[int]string{}
			var numbers []int
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				require.NoError(t, err)
				for _, item := range page.Items {
					n, err := strconv.Atoi(item["id"].(*types.AttributeValueMemberS).Value)
					require.NoError(t, err)
					numbers = append(numbers, n)
					bodies[n] = item["body"].(*types.AttributeValueMemberS).Value
				}
			}
			slices.Sort(numbers)
			for _, n := range numbers {
				accepted = append(accepted, sink.Message{Body: []byte(bodies[n])})
			}
			return accepted
		},
		Unordered: true,
	})
}
