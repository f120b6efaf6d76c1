package dynamodbtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

func TestItemsAreWhatWasStored(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	want := dynamodbtest.Item{
		"p": text("tab\t quote \" é 漢 😀\u2028\x01"), "n": &types.AttributeValueMemberN{Value: "1.5"}, "b": &types.AttributeValueMemberB{Value: []byte{0, 255}},
		"yes": &types.AttributeValueMemberBOOL{Value: true}, "nil": &types.AttributeValueMemberNULL{Value: true},
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{text("x"), number(1)}},
		"m":  &types.AttributeValueMemberM{Value: dynamodbtest.Item{"a": text("")}},
		"ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"1", "2"}}, "bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
	}
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: want})
	require.NoError(t, err)
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("rows"), Key: dynamodbtest.Item{"p": want["p"]}})
	require.NoError(t, err)
	require.Equal(t, want, got.Item)
	require.Equal(t, []dynamodbtest.Item{want}, srv.Items("rows"))
	require.Nil(t, srv.Items("nobody"))
	require.Zero(t, srv.Count("nobody"))
	srv.Close()
	require.Equal(t, []dynamodbtest.Item{want}, srv.Items("rows"), "it stays when the server is closed")
}

func TestTablesThatCannotBe(t *testing.T) {
	srv, _ := started(t, dynamodbtest.Config{})
	for name, cfg := range map[string]dynamodbtest.TableConfig{
		"x":            {PartitionKey: "p"},
		"no-key":       {},
		"rows":         {PartitionKey: "p"},
		"odd-key":      {PartitionKey: "p", PartitionType: "M"},
		"odd-sort-key": {PartitionKey: "p", SortKey: "s", SortType: "BOOL"},
		"odd-stream":   {PartitionKey: "p", Stream: "ALL"},
	} {
		require.ErrorContains(t, srv.AddTable(name, cfg), "dynamodbtest: add table", name)
	}
	_, err := dynamodbtest.New(dynamodbtest.Config{Addr: strings.TrimPrefix(srv.URL(), "http://")})
	require.ErrorContains(t, err, "dynamodbtest: ")
}

// Where it takes time to make a table, nothing can be done with it before.
func TestATableIsNotThereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := started(t, dynamodbtest.Config{Creating: 10 * time.Second})
		out, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
			TableName: aws.String("slow"), BillingMode: types.BillingModePayPerRequest, KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash}},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("p"), AttributeType: types.ScalarAttributeTypeS}},
		})
		require.NoError(t, err)
		require.Equal(t, types.TableStatusCreating, out.TableDescription.TableStatus)
		status := func() types.TableStatus {
			out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("slow")})
			require.NoError(t, err)
			return out.Table.TableStatus
		}
		put := func() string {
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("slow"), Item: dynamodbtest.Item{"p": text("a")}})
			return code(err)
		}
		drop := func() string {
			_, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("slow")})
			return code(err)
		}
		require.Equal(t, types.TableStatusCreating, status())
		require.Equal(t, "ResourceNotFoundException", put())
		require.Equal(t, "ResourceInUseException", drop())
		srv.Advance(10 * time.Second)
		require.Equal(t, types.TableStatusActive, status())
		require.Equal(t, "ok", put())
		require.Equal(t, "ok", drop())
	})
}

// Pages end at a megabyte of what is read, whatever a filter leaves of it.
func TestAPageEndsAtAMegabyte(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	require.NoError(t, srv.AddTable("sorted", dynamodbtest.TableConfig{PartitionKey: "p", SortKey: "s", SortType: "N"}))
	client, _ := clients(t, srv)
	for i := range 5 {
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("sorted"), Item: dynamodbtest.Item{"p": text("a"), "s": number(i), "v": text(strings.Repeat("x", 300<<10))}})
		require.NoError(t, err)
	}
	pages := 0
	var from map[string]types.AttributeValue
	var scanned []int32
	for {
		out, err := client.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String("sorted"), KeyConditionExpression: aws.String("p = :p"), FilterExpression: aws.String("attribute_not_exists(v)"), ExpressionAttributeValues: dynamodbtest.Item{":p": text("a")}, ExclusiveStartKey: from})
		require.NoError(t, err)
		require.Zero(t, out.Count)
		scanned = append(scanned, out.ScannedCount)
		pages++
		if from = out.LastEvaluatedKey; from == nil {
			break
		}
	}
	require.Equal(t, []int32{4, 1}, scanned)
	require.Equal(t, 2, pages)
}

// Conditional writes of one item from many sides: one wins.
func TestOneOfManyWins(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	const workers = 16
	answers := make([]string, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: dynamodbtest.Item{"p": text("a"), "v": number(i)}, ConditionExpression: aws.String("attribute_not_exists(p)")})
			answers[i] = code(err)
		})
	}
	wg.Wait()
	won := map[string]int{}
	for _, a := range answers {
		won[a]++
	}
	require.Equal(t, map[string]int{"ok": 1, "ConditionalCheckFailedException": workers - 1}, won)
	require.Equal(t, 1, srv.Count("rows"))
}

// A token stands for what is asked, in whatever order a client writes it.
func TestATransactionIsTheSameInAnotherOrder(t *testing.T) {
	srv, _ := started(t, dynamodbtest.Config{})
	transact := func(item string) string {
		w := serve(t, srv, "DynamoDB_20120810.TransactWriteItems", fmt.Appendf(nil, `{"ClientRequestToken":"once","TransactItems":[{"Put":{"TableName":"rows","Item":%s}}]}`, item))
		return w.Body.String()
	}
	require.Equal(t, `{}`, transact(`{"p":{"S":"a"},"v":{"M":{"x":{"N":"1"},"y":{"N":"2"}}}}`))
	require.Equal(t, `{}`, transact(`{"v":{"M":{"y":{"N":"2"},"x":{"N":"1"}}},"p":{"S":"a"}}`))
	require.Contains(t, transact(`{"v":{"M":{"y":{"N":"1"},"x":{"N":"2"}}},"p":{"S":"a"}}`), "IdempotentParameterMismatchException")
}

// A server is closed while calls of all kinds are under way: nothing is left behind.
func TestCloseAmidCalls(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	begun := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := client.BatchWriteItem(ctx, batch("rows", fmt.Sprint(w, n), fmt.Sprint(w, n, "b")))
				if err != nil {
					return
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 32 {
		<-begun
	}
	srv.Close()
	stop()
	wg.Wait()
	require.Zero(t, srv.Count("rows")%2, "each call is carried out whole")
}

// What clients had sent has been dealt with when they have hung up.
func TestWaitHangup(t *testing.T) {
	srv, _ := started(t, dynamodbtest.Config{})
	const clients = 50
	for i := range clients { // that do not wait for the answer
		body := fmt.Sprintf(`{"TableName":"rows","Item":{"p":{"S":"%d"}}}`, i)
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL(), "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n"+
			"Authorization: "+authorization+"\r\nX-Amz-Date: 20261122T000000Z\r\n"+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, srv.WaitHangup(t.Context()))
	require.Equal(t, clients, srv.Count("rows"))

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL(), "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, srv.WaitHangup(limited), context.DeadlineExceeded, "one holds on")
}

func Example() {
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
	client := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone})
	for range 2 {
		_, err := client.UpdateItem(context.Background(), &dynamodb.UpdateItemInput{
			TableName: aws.String("orders"), Key: dynamodbtest.Item{"id": text("7")},
			UpdateExpression: aws.String("ADD pieces :n"), ExpressionAttributeValues: dynamodbtest.Item{":n": &types.AttributeValueMemberN{Value: "1.50"}},
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	for _, item := range srv.Items("orders") {
		fmt.Println(item["pieces"].(*types.AttributeValueMemberN).Value)
	}
	// Output: 3
}
