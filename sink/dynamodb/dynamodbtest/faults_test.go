package dynamodbtest_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// started is a server with a table "rows" whose key is the text p.
func started(t testing.TB, cfg dynamodbtest.Config) (*dynamodbtest.Server, *dynamodb.Client) {
	srv := dynamodbtest.Start(t, cfg)
	require.NoError(t, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "p"}))
	c, _ := clients(t, srv)
	return srv, c
}

func TestEachFaultDoesWhatItSays(t *testing.T) {
	odd := func(i int) bool { return i%2 == 1 }
	all := func(int) bool { return true }
	for name, c := range map[string]struct {
		fault  dynamodbtest.Fault
		answer string
		stored []string
	}{
		"none":        {dynamodbtest.Fault{}, "ok", []string{"a", "b", "c"}},
		"cut":         {dynamodbtest.Fault{Cut: true}, "no answer", []string{}},
		"lost":        {dynamodbtest.Fault{LoseResponse: true}, "no answer", []string{"a", "b", "c"}},
		"throttled":   {dynamodbtest.Fault{Code: "ThrottlingException"}, "ThrottlingException", []string{}},
		"over":        {dynamodbtest.Fault{Code: "ProvisionedThroughputExceededException"}, "ProvisionedThroughputExceededException", []string{}},
		"5xx":         {dynamodbtest.Fault{Code: "InternalServerError"}, "InternalServerError", []string{}},
		"unheard of":  {dynamodbtest.Fault{Code: "OddException"}, "OddException", []string{}},
		"slow":        {dynamodbtest.Fault{Delay: time.Millisecond}, "ok", []string{"a", "b", "c"}},
		"some":        {dynamodbtest.Fault{Unprocessed: odd}, "ok", []string{"a", "c"}},
		"all of them": {dynamodbtest.Fault{Unprocessed: all}, "ProvisionedThroughputExceededException", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			srv, client := started(t, dynamodbtest.Config{})
			srv.Inject(func(call *dynamodbtest.Call) dynamodbtest.Fault {
				assert.Equal(t, "BatchWriteItem", call.Operation)
				assert.Equal(t, "rows", call.Table)
				assert.Equal(t, 1, call.Number)
				assert.Equal(t, 3, call.Writes)
				assert.Equal(t, dynamodbtest.Item{"p": text("b"), "v": number(1)}, call.Item(1))
				assert.Nil(t, call.Item(3))
				return c.fault
			})
			out, err := client.BatchWriteItem(t.Context(), batch("rows", "a", "b", "c"))
			require.Equal(t, c.answer, code(err))
			require.Equal(t, c.stored, keys(srv.Items("rows")))
			if err == nil {
				require.Len(t, out.UnprocessedItems["rows"], 3-len(c.stored))
				for _, w := range out.UnprocessedItems["rows"] {
					require.Equal(t, dynamodbtest.Item{"p": text("b"), "v": number(1)}, w.PutRequest.Item)
				}
			}
			srv.Inject(nil)
			_, err = client.BatchWriteItem(t.Context(), batch("rows", "a", "b", "c"))
			require.NoError(t, err)
			require.Equal(t, 3, srv.Count("rows"))
			require.Equal(t, 2, srv.Calls("BatchWriteItem"))
			require.Equal(t, 2, srv.Requests())
		})
	}
}

// What an injector sees of each kind of write.
func TestCallsShowWhatTheyWrite(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	require.NoError(t, srv.AddTable("apples", dynamodbtest.TableConfig{PartitionKey: "p"}))
	var (
		mu   sync.Mutex
		seen []string
	)
	srv.Inject(func(c *dynamodbtest.Call) dynamodbtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		line := fmt.Sprint(c.Operation, " ", c.Table)
		for i := range c.Writes {
			line += " " + c.Item(i)["p"].(*types.AttributeValueMemberS).Value
		}
		seen = append(seen, line)
		return dynamodbtest.Fault{}
	})
	item, key := dynamodbtest.Item{"p": text("a"), "v": number(1)}, dynamodbtest.Item{"p": text("a")}
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: item})
	require.NoError(t, err)
	_, err = client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: aws.String("rows"), Key: key})
	require.NoError(t, err)
	_, err = client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("rows"), Key: key})
	require.NoError(t, err)
	_, err = client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("rows"), Key: key})
	require.NoError(t, err)
	_, err = client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
		"rows":   {{PutRequest: &types.PutRequest{Item: item}}},
		"apples": {{DeleteRequest: &types.DeleteRequest{Key: dynamodbtest.Item{"p": text("z")}}}},
	}})
	require.NoError(t, err)
	_, err = client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String("rows"), Item: dynamodbtest.Item{"p": text("y")}}}, {Delete: &types.Delete{TableName: aws.String("apples"), Key: key}},
	}})
	require.NoError(t, err)
	_, err = client.ListTables(t.Context(), &dynamodb.ListTablesInput{})
	require.NoError(t, err)
	require.Equal(t, []string{"PutItem rows a", "UpdateItem rows a", "DeleteItem rows a", "GetItem rows", "BatchWriteItem apples z a", "TransactWriteItems apples y a", "ListTables "}, seen)
}

// Records are failed by what they are.
func ExampleServer_Inject() {
	srv, err := dynamodbtest.New(dynamodbtest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	if err := srv.AddTable("orders", dynamodbtest.TableConfig{PartitionKey: "id"}); err != nil {
		fmt.Println(err)
		return
	}
	srv.Inject(func(c *dynamodbtest.Call) dynamodbtest.Fault {
		for i := range c.Writes {
			if id, ok := c.Item(i)["id"].(*types.AttributeValueMemberS); ok && id.Value == "7" {
				return dynamodbtest.Fault{Code: "ValidationException"}
			}
		}
		return dynamodbtest.Fault{}
	})
	client := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone, Retryer: aws.NopRetryer{}})
	for _, id := range []string{"6", "7"} {
		_, err := client.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: dynamodbtest.Item{"id": text(id)}})
		fmt.Println(id, code(err))
	}
	fmt.Println(srv.Count("orders"), "stored")
	// Output:
	// 6 ok
	// 7 ValidationException
	// 1 stored
}

func TestKeysOfABatchAreLeftUnread(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	_, err := client.BatchWriteItem(t.Context(), batch("rows", "a", "b", "c"))
	require.NoError(t, err)
	srv.Inject(func(*dynamodbtest.Call) dynamodbtest.Fault {
		return dynamodbtest.Fault{Unprocessed: func(i int) bool { return i == 1 }}
	})
	var want []map[string]types.AttributeValue
	for _, k := range []string{"a", "b", "c"} {
		want = append(want, dynamodbtest.Item{"p": text(k)})
	}
	out, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"rows": {Keys: want, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#p"), ExpressionAttributeNames: map[string]string{"#p": "p"}}}})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, keys(out.Responses["rows"]))
	left := out.UnprocessedKeys["rows"]
	require.Equal(t, []string{"b"}, keys(left.Keys))
	srv.Inject(nil)
	out, err = client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: out.UnprocessedKeys})
	require.NoError(t, err)
	require.Equal(t, []dynamodbtest.Item{{"p": text("b")}}, out.Responses["rows"], "what is left is asked for as before")
}

// Who decides what is left may look at the server, and even delete a table: the batch
// then fails as a whole.
func TestUnprocessedMayAskTheServer(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	require.NoError(t, srv.AddTable("apples", dynamodbtest.TableConfig{PartitionKey: "p"}))
	srv.Inject(func(c *dynamodbtest.Call) dynamodbtest.Fault {
		if c.Writes == 0 {
			return dynamodbtest.Fault{}
		}
		return dynamodbtest.Fault{Unprocessed: func(i int) bool { return i == srv.Count("apples") }}
	})
	both := batch("rows", "a")
	both.RequestItems["apples"] = batch("apples", "b").RequestItems["apples"]
	out, err := client.BatchWriteItem(t.Context(), both)
	require.NoError(t, err)
	require.Len(t, out.UnprocessedItems["apples"], 1)
	require.Equal(t, 1, srv.Count("rows"))

	srv.Inject(func(c *dynamodbtest.Call) dynamodbtest.Fault {
		return dynamodbtest.Fault{Unprocessed: func(i int) bool {
			if i == 0 {
				_, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("rows")})
				assert.NoError(t, err)
			}
			return false
		}}
	})
	_, err = client.BatchWriteItem(t.Context(), both)
	require.Equal(t, "ResourceNotFoundException", code(err))
	require.Zero(t, srv.Count("apples"))
}

func TestOutageCutsEverythingUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := started(t, dynamodbtest.Config{})
		list := func() string {
			_, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{})
			return code(err)
		}
		srv.Outage(20 * time.Second)
		require.Equal(t, "no answer", list())
		srv.Advance(19 * time.Second)
		require.Equal(t, "no answer", list())
		srv.Advance(time.Second)
		require.Equal(t, "ok", list())
		srv.Outage(time.Hour)
		srv.Outage(0)
		require.Equal(t, "ok", list())
		require.Equal(t, 4, srv.Requests())
		require.Equal(t, 2, srv.Calls("ListTables"))
	})
}

func TestRandomFaultsAreRepeatableAndBounded(t *testing.T) {
	mixture := dynamodbtest.Faults{Seed: 7, Max: 40, Throttle: 0.2, Unavailable: 0.2, Cut: 0.1, LoseResponse: 0.2, Unprocessed: 0.3}
	draw := func() (out []string) {
		inject := mixture.Injector()
		for n := range 200 {
			f := inject(&dynamodbtest.Call{Operation: "BatchWriteItem", Number: n, Writes: 3})
			left := ""
			if f.Unprocessed != nil {
				left = fmt.Sprint(f.Unprocessed(0), f.Unprocessed(1), f.Unprocessed(2))
				f.Unprocessed = nil
			}
			out = append(out, fmt.Sprint(f, left))
		}
		return out
	}
	first := draw()
	require.Equal(t, first, draw())
	kinds, disturbed := map[string]bool{}, 0
	for _, s := range first {
		kinds[s] = true
		if s != fmt.Sprint(dynamodbtest.Fault{}, "") {
			disturbed++
		}
	}
	require.Equal(t, 40, disturbed)
	require.Greater(t, len(kinds), 8, "all kinds of faults come up")
	require.Equal(t, dynamodbtest.Fault{}, mixture.Injector()(&dynamodbtest.Call{Operation: "GetItem"}), "only writing is disturbed")
}

// With six writes of ten left undone, all items arrive if what is left is sent again.
func TestMostIsLeftUnprocessed(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	srv.Inject(dynamodbtest.Faults{Seed: 1, Unprocessed: 0.6}.Injector())
	want := map[string]bool{}
	calls := 0
	for n := range 20 {
		var names []string
		for i := range 25 {
			names = append(names, strconv.Itoa(25*n+i))
			want[strconv.Itoa(25*n+i)] = true
		}
		for in := batch("rows", names...); len(in.RequestItems) > 0; calls++ {
			out, err := client.BatchWriteItem(t.Context(), in)
			if code(err) == "ProvisionedThroughputExceededException" {
				continue // of a few items all may be left
			}
			require.NoError(t, err)
			in.RequestItems = out.UnprocessedItems
		}
	}
	require.Len(t, srv.Items("rows"), len(want))
	require.Greater(t, calls, 80)
}

func TestCloseEndsACallThatIsHeldUp(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	held := make(chan struct{})
	srv.Inject(func(*dynamodbtest.Call) dynamodbtest.Fault {
		close(held)
		return dynamodbtest.Fault{Delay: time.Hour}
	})
	done := make(chan string)
	go func() {
		_, err := client.BatchWriteItem(context.WithoutCancel(t.Context()), batch("rows", "a"))
		done <- code(err)
	}()
	<-held
	srv.Close()
	require.Equal(t, "no answer", <-done)
	srv.Close() // twice is fine
}
