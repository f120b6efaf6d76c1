package dynamodbtest_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// row is an item of 16 attributes, as a CSV of transactions gives it.
func row(key string) string {
	var b strings.Builder
	b.WriteString(`{"id":{"S":"` + key + `"}`)
	for i := range 11 {
		fmt.Fprintf(&b, `,"column_%d":{"S":"value of %d"}`, i, i)
	}
	b.WriteString(`,"amount":{"N":"1234.5"},"quantity":{"N":"12"},"paid":{"BOOL":true},"at":{"S":"2026-11-22T19:34:37Z"}}`)
	return b.String()
}

// BenchmarkBatchWrite is what the stand-in spends on a BatchWriteItem of 25 items of
// 16 attributes, without the network.
func BenchmarkBatchWrite(b *testing.B) {
	for _, stream := range []string{"", "NEW_IMAGE"} {
		b.Run("stream="+stream, func(b *testing.B) {
			srv := dynamodbtest.Start(b, dynamodbtest.Config{})
			require.NoError(b, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "id", Stream: stream}))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				puts := make([]string, 25)
				for i := range puts {
					n++
					puts[i] = `{"PutRequest":{"Item":` + row(strconv.Itoa(n)) + `}}`
				}
				body := []byte(`{"RequestItems":{"rows":[` + strings.Join(puts, ",") + `]}}`)
				b.StartTimer()
				w := serve(b, srv, "DynamoDB_20120810.BatchWriteItem", body)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/item")
		})
	}
}

// BenchmarkClient is the same through the SDK's client and the loopback interface,
// both sides in one process.
func BenchmarkClient(b *testing.B) {
	srv := dynamodbtest.Start(b, dynamodbtest.Config{})
	require.NoError(b, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "id"}))
	c := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone, Retryer: aws.NopRetryer{}, HTTPClient: newHTTP(b)})
	n := 0
	for b.Loop() {
		requests := make([]types.WriteRequest, 25)
		for i := range requests {
			n++
			item := dynamodbtest.Item{
				"id": &types.AttributeValueMemberS{Value: strconv.Itoa(n)}, "amount": &types.AttributeValueMemberN{Value: "1234.5"}, "quantity": &types.AttributeValueMemberN{Value: "12"},
				"paid": &types.AttributeValueMemberBOOL{Value: true}, "at": &types.AttributeValueMemberS{Value: "2026-11-22T19:34:37Z"},
			}
			for k := range 11 {
				item["column_"+strconv.Itoa(k)] = &types.AttributeValueMemberS{Value: "value of " + strconv.Itoa(k)}
			}
			requests[i] = types.WriteRequest{PutRequest: &types.PutRequest{Item: item}}
		}
		_, err := c.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"rows": requests}})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/item")
}

// BenchmarkStored tells what an item of 16 attributes takes of memory, with its
// record in a stream.
func BenchmarkStored(b *testing.B) {
	srv := dynamodbtest.Start(b, dynamodbtest.Config{})
	require.NoError(b, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "id", Stream: "NEW_IMAGE"}))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := 0; b.Loop(); n++ {
		w := serve(b, srv, "DynamoDB_20120810.PutItem", []byte(`{"TableName":"rows","Item":`+row(strconv.Itoa(n))+`}`))
		require.Equal(b, http.StatusOK, w.Code)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(srv.Count("rows")), "B/item")
}
