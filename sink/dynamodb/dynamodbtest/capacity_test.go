package dynamodbtest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

const exceeded = "ProvisionedThroughputExceededException"

// provisioned runs a test of a table with ten units a second, saved up for two
// seconds. Its clock stands still unless it is advanced.
func provisioned(t *testing.T, f func(t *testing.T, srv *dynamodbtest.Server, c *dynamodb.Client)) {
	synctest.Test(t, func(t *testing.T) {
		srv := dynamodbtest.Start(t, dynamodbtest.Config{Burst: 2 * time.Second})
		require.NoError(t, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "p", ReadUnits: 10, WriteUnits: 10}))
		c, _ := clients(t, srv)
		f(t, srv, c)
	})
}

func TestWritesBeyondTheUnitsAreThrottled(t *testing.T) {
	provisioned(t, func(t *testing.T, srv *dynamodbtest.Server, c *dynamodb.Client) {
		put := func(key string, size int) string {
			_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: dynamodbtest.Item{"p": text(key), "v": text(strings.Repeat("x", size))}})
			return code(err)
		}
		for i := range 18 {
			require.Equal(t, "ok", put(fmt.Sprint(i), 1))
		}
		require.Equal(t, "ok", put("two units", 1500))
		require.Equal(t, exceeded, put("one more", 1))
		srv.Advance(99 * time.Millisecond)
		require.Equal(t, exceeded, put("one more", 1))
		srv.Advance(time.Millisecond)
		require.Equal(t, "ok", put("one more", 1))
		require.Equal(t, exceeded, put("another", 1))
		srv.Advance(time.Hour)
		for i := range 20 {
			require.Equal(t, "ok", put(fmt.Sprint("later", i), 1))
		}
		require.Equal(t, exceeded, put("more than is saved up", 1))
		srv.Advance(2 * time.Second)
		require.Equal(t, "ok", put("large", 100<<10), "takes all that can be saved up, and more")
		srv.Advance(8 * time.Second)
		require.Equal(t, exceeded, put("after it", 1))
		srv.Advance(210 * time.Millisecond)
		require.Equal(t, "ok", put("after it", 1))
	})
}

func TestABatchLeavesWhatThereAreNoUnitsFor(t *testing.T) {
	provisioned(t, func(t *testing.T, srv *dynamodbtest.Server, c *dynamodb.Client) {
		var names []string
		for i := range 25 {
			names = append(names, fmt.Sprint(i))
		}
		out, err := c.BatchWriteItem(t.Context(), batch("rows", names...))
		require.NoError(t, err)
		left := out.UnprocessedItems
		require.Len(t, left["rows"], 5)
		require.Equal(t, 20, srv.Count("rows"))
		_, err = c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: left})
		require.Equal(t, exceeded, code(err), "nothing can be done")
		srv.Advance(time.Second)
		out, err = c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: left, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
		require.NoError(t, err)
		require.Empty(t, out.UnprocessedItems)
		require.InDelta(t, 5, *out.ConsumedCapacity[0].CapacityUnits, 0)
		require.Equal(t, 25, srv.Count("rows"))
	})
}

func TestReadsBeyondTheUnitsAreThrottled(t *testing.T) {
	provisioned(t, func(t *testing.T, srv *dynamodbtest.Server, c *dynamodb.Client) {
		get := func(consistent bool) string {
			_, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("rows"), Key: dynamodbtest.Item{"p": text("a")}, ConsistentRead: &consistent})
			return code(err)
		}
		for range 40 {
			require.Equal(t, "ok", get(false))
		}
		require.Equal(t, exceeded, get(false))
		_, err := c.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("rows")})
		require.Equal(t, exceeded, code(err))
		srv.Advance(2 * time.Second)
		for range 20 {
			require.Equal(t, "ok", get(true))
		}
		require.Equal(t, exceeded, get(true))
	})
}

// A write whose condition fails costs as much as the larger of the item that is there
// and the one that was to be ("Capacity unit consumption for write operations" of the
// developer guide).
func TestAConditionThatFailsCostsWhatTheWriteWould(t *testing.T) {
	provisioned(t, func(t *testing.T, srv *dynamodbtest.Server, c *dynamodb.Client) {
		put := func(key string, size int, condition string) string {
			item := dynamodbtest.Item{"p": text(key), "v": text(strings.Repeat("x", size))}
			_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: item, ConditionExpression: &condition})
			return code(err)
		}
		const failed = "ConditionalCheckFailedException"
		require.Equal(t, "ok", put("large", 6000, "attribute_not_exists(p)"))
		srv.Advance(time.Hour)
		require.Equal(t, failed, put("large", 1, "attribute_not_exists(p)"), "6 of 20 units")
		require.Equal(t, failed, put("new", 9000, "attribute_exists(p)"), "9")
		_, err := c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("rows"), Key: dynamodbtest.Item{"p": text("none")}, ConditionExpression: aws.String("attribute_exists(p)")})
		require.Equal(t, failed, code(err), "1 where there is no item")
		require.Equal(t, "ok", put("last", 3500, "attribute_not_exists(p)"), "4")
		require.Equal(t, exceeded, put("more", 1, "attribute_not_exists(p)"))
	})
}

func TestATransactionIsThrottledAsAWhole(t *testing.T) {
	provisioned(t, func(t *testing.T, srv *dynamodbtest.Server, c *dynamodb.Client) {
		transact := func(n int) string {
			var items []types.TransactWriteItem
			for i := range n {
				items = append(items, types.TransactWriteItem{Put: &types.Put{TableName: aws.String("rows"), Item: dynamodbtest.Item{"p": text(fmt.Sprint(i))}}})
			}
			_, err := c.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
			return code(err)
		}
		require.Equal(t, "TransactionCanceledException", transact(11), "two units for each")
		require.Zero(t, srv.Count("rows"))
		require.Equal(t, "ok", transact(10))
	})
}
