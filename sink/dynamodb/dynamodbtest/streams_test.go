package dynamodbtest_test

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// streamed is a server with a table "rows" whose key is the text p, and its stream.
type streamed struct {
	*testing.T
	srv     *dynamodbtest.Server
	table   *dynamodb.Client
	streams *dynamodbstreams.Client
	arn     string
}

// watch runs a test of a stream. Its server's clock stands still unless it is
// advanced: that of a bubble does, while anything waits for the network.
func watch(t *testing.T, cfg dynamodbtest.Config, f func(s *streamed)) {
	synctest.Test(t, func(t *testing.T) {
		srv := dynamodbtest.Start(t, cfg)
		require.NoError(t, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "p", Stream: "NEW_AND_OLD_IMAGES"}))
		table, streams := clients(t, srv)
		f(&streamed{t, srv, table, streams, srv.StreamARN("rows")})
	})
}

func (s *streamed) put(key string, v int) {
	s.Helper()
	_, err := s.table.PutItem(s.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: dynamodbtest.Item{"p": text(key), "v": number(v)}})
	require.NoError(s, err)
}

func (s *streamed) shards() []streamtypes.Shard {
	s.Helper()
	out, err := s.streams.DescribeStream(s.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn})
	require.NoError(s, err)
	return out.StreamDescription.Shards
}

func (s *streamed) iterator(shard string, kind streamtypes.ShardIteratorType, at string) (*string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &s.arn, ShardId: &shard, ShardIteratorType: kind}
	if at != "" {
		in.SequenceNumber = &at
	}
	out, err := s.streams.GetShardIterator(s.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

// horizon is an iterator of the first shard.
func (s *streamed) horizon() *string {
	s.Helper()
	it, err := s.iterator(*s.shards()[0].ShardId, streamtypes.ShardIteratorTypeTrimHorizon, "")
	require.NoError(s, err)
	return it
}

// records reads once.
func (s *streamed) records(it *string) (*dynamodbstreams.GetRecordsOutput, string) {
	out, err := s.streams.GetRecords(s.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: it})
	return out, code(err)
}

// all reads a shard from its beginning, until it ends or no more is there.
func (s *streamed) all(shard string) (records []streamtypes.Record, ended bool) {
	s.Helper()
	it, err := s.iterator(shard, streamtypes.ShardIteratorTypeTrimHorizon, "")
	require.NoError(s, err)
	for {
		out, code := s.records(it)
		require.Equal(s, "ok", code)
		records = append(records, out.Records...)
		if it = out.NextShardIterator; it == nil {
			return records, true
		}
		if len(out.Records) == 0 {
			return records, false
		}
	}
}

// Every change is in one shard, those of an item in order, also across a split: in
// the parent first. Sequence numbers rise, as numbers.
func TestEachItemsChangesStayInOrder(t *testing.T) {
	watch(t, dynamodbtest.Config{Shards: 3}, func(s *streamed) {
		const items, rounds = 30, 40
		for round := range rounds {
			var names []string
			for i := range items {
				names = append(names, strconv.Itoa(i))
			}
			for i := 0; i < items; i += 25 {
				in := batch("rows", names[i:min(items, i+25)]...)
				for _, w := range in.RequestItems["rows"] {
					w.PutRequest.Item["v"] = number(round)
				}
				_, err := s.table.BatchWriteItem(s.Context(), in)
				require.NoError(s, err)
			}
			switch round {
			case 10:
				s.srv.SplitShards("rows")
			case 20:
				s.srv.RollShards("rows")
			}
		}
		shards := s.shards()
		require.Len(s, shards, 3+6+6)
		seen := map[string]int{} // the next value of each item
		last := map[string]*big.Int{}
		used, open := 0, 0
		for _, shard := range shards { // parents come before children
			records, ended := s.all(*shard.ShardId)
			require.Equal(s, shard.SequenceNumberRange.EndingSequenceNumber != nil, ended)
			if !ended {
				open++
			}
			if len(records) > 0 {
				used++
			}
			for _, r := range records {
				key := r.Dynamodb.Keys["p"].(*streamtypes.AttributeValueMemberS).Value
				require.Equal(s, strconv.Itoa(seen[key]), r.Dynamodb.NewImage["v"].(*streamtypes.AttributeValueMemberN).Value)
				seen[key]++
				n, ok := new(big.Int).SetString(*r.Dynamodb.SequenceNumber, 10)
				require.True(s, ok)
				if before := last[key]; before != nil {
					require.Positive(s, n.Cmp(before), "%s after %s", n, before)
				}
				last[key] = n
			}
		}
		require.Len(s, seen, items)
		for key, n := range seen {
			require.Equal(s, rounds, n, key)
		}
		require.Equal(s, 6, open)
		require.Greater(s, used, 10, "all shards are used")
	})
}

// What compares sequence numbers as texts comes to grief here, as it may on AWS.
func TestSequenceNumbersGrowByADigit(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		for i := range 1100 {
			s.put("a", i)
		}
		records, _ := s.all(*s.shards()[0].ShardId)
		require.Len(s, records, 1100)
		first, last := *records[0].Dynamodb.SequenceNumber, *records[1099].Dynamodb.SequenceNumber
		require.Len(s, first, 21)
		require.Len(s, last, 22)
		require.Less(s, last, first, "as texts")
		it, err := s.iterator(*s.shards()[0].ShardId, streamtypes.ShardIteratorTypeAfterSequenceNumber, *records[1098].Dynamodb.SequenceNumber)
		require.NoError(s, err)
		out, _ := s.records(it)
		require.Len(s, out.Records, 1)
		require.Equal(s, *records[1099].EventID, *out.Records[0].EventID, "a record has one id")
	})
}

func TestAShardRollsOverAfterFourHours(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		s.put("a", 1)
		s.srv.Advance(4*time.Hour - time.Second)
		require.Len(s, s.shards(), 1)
		s.srv.Advance(time.Second)
		s.put("a", 2)
		shards := s.shards()
		require.Len(s, shards, 2)
		require.Equal(s, *shards[0].ShardId, *shards[1].ParentShardId)
		require.NotNil(s, shards[0].SequenceNumberRange.EndingSequenceNumber)
		require.Nil(s, shards[1].SequenceNumberRange.EndingSequenceNumber)
		first, ended := s.all(*shards[0].ShardId)
		require.Len(s, first, 1)
		require.True(s, ended)
		require.Equal(s, *first[0].Dynamodb.SequenceNumber, *shards[0].SequenceNumberRange.EndingSequenceNumber)
		second, ended := s.all(*shards[1].ShardId)
		require.Len(s, second, 1)
		require.False(s, ended)
	})
}

func TestAnIteratorExpiresAfterAQuarterOfAnHour(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		s.put("a", 1)
		it := s.horizon()
		s.srv.Advance(15 * time.Minute)
		out, answer := s.records(it)
		require.Equal(s, "ok", answer)
		require.Len(s, out.Records, 1)
		s.srv.Advance(time.Second)
		_, answer = s.records(it)
		require.Equal(s, "ExpiredIteratorException", answer)
		_, answer = s.records(out.NextShardIterator)
		require.Equal(s, "ok", answer, "the next one is younger")
	})
}

func TestRecordsAreTrimmedAfterADay(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		s.put("a", 1)
		shard := *s.shards()[0].ShardId
		records, _ := s.all(shard)
		old := *records[0].Dynamodb.SequenceNumber
		s.srv.Advance(24*time.Hour - time.Minute)
		stale := func() *string {
			it, err := s.iterator(shard, streamtypes.ShardIteratorTypeTrimHorizon, "")
			require.NoError(s, err)
			return it
		}()
		s.put("a", 2)
		s.srv.Advance(2 * time.Minute)
		_, answer := s.records(stale)
		require.Equal(s, "TrimmedDataAccessException", answer, "its record was trimmed before it was used")
		_, err := s.iterator(shard, streamtypes.ShardIteratorTypeAtSequenceNumber, old)
		require.Equal(s, "TrimmedDataAccessException", code(err))
		shards := s.shards()
		require.Len(s, shards, 2, "the first has rolled over, and stays a day longer")
		rest, ended := s.all(shard)
		require.Empty(s, rest)
		require.True(s, ended)
		rest, _ = s.all(*shards[1].ShardId)
		require.Len(s, rest, 1)
		s.srv.Advance(24 * time.Hour)
		for _, x := range s.shards() {
			require.NotEqual(s, shard, *x.ShardId, "it has vanished")
		}
		_, err = s.iterator(shard, streamtypes.ShardIteratorTypeTrimHorizon, "")
		require.Equal(s, "ResourceNotFoundException", code(err))
	})
}

func TestACallReturnsAThousandRecordsOrAMegabyte(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		for i := 0; i < 1025; i += 25 {
			var names []string
			for k := range 25 {
				names = append(names, strconv.Itoa(i+k))
			}
			_, err := s.table.BatchWriteItem(s.Context(), batch("rows", names...))
			require.NoError(s, err)
		}
		out, _ := s.records(s.horizon())
		require.Len(s, out.Records, 1000)
		out, _ = s.records(out.NextShardIterator)
		require.Len(s, out.Records, 25)
		for i := range 4 {
			_, err := s.table.PutItem(s.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: dynamodbtest.Item{"p": text(fmt.Sprint("large ", i)), "v": text(strings.Repeat("x", 390<<10))}})
			require.NoError(s, err)
		}
		out, _ = s.records(out.NextShardIterator)
		require.Len(s, out.Records, 2)
		out, _ = s.records(out.NextShardIterator)
		require.Len(s, out.Records, 2)
	})
}

func TestShardsAreDescribedInPages(t *testing.T) {
	watch(t, dynamodbtest.Config{Shards: 5}, func(s *streamed) {
		var ids []string
		var from *string
		for pages := 0; ; pages++ {
			out, err := s.streams.DescribeStream(s.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn, Limit: aws.Int32(2), ExclusiveStartShardId: from})
			require.NoError(s, err)
			for _, x := range out.StreamDescription.Shards {
				ids = append(ids, *x.ShardId)
			}
			if from = out.StreamDescription.LastEvaluatedShardId; from == nil {
				require.Equal(s, 2, pages)
				break
			}
		}
		require.Len(s, ids, 5)
		require.IsIncreasing(s, ids)

		s.srv.SplitShards("rows")
		out, err := s.streams.DescribeStream(s.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn, ShardFilter: &streamtypes.ShardFilter{Type: streamtypes.ShardFilterTypeChildShards, ShardId: &ids[2]}})
		require.NoError(s, err)
		require.Len(s, out.StreamDescription.Shards, 2)
		for _, x := range out.StreamDescription.Shards {
			require.Equal(s, ids[2], *x.ParentShardId)
		}
	})
}

// A table that is deleted leaves its stream behind for a day.
func TestTheStreamOutlivesItsTable(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		s.put("a", 1)
		_, err := s.table.DeleteTable(s.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("rows")})
		require.NoError(s, err)
		require.Empty(s, s.srv.StreamARN("rows"))
		out, err := s.streams.DescribeStream(s.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn})
		require.NoError(s, err)
		require.Equal(s, streamtypes.StreamStatusDisabled, out.StreamDescription.StreamStatus)
		records, ended := s.all(*out.StreamDescription.Shards[0].ShardId)
		require.Len(s, records, 1)
		require.True(s, ended)

		require.NoError(s, s.srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "p", Stream: "KEYS_ONLY"}))
		list := func() int {
			out, err := s.streams.ListStreams(s.Context(), &dynamodbstreams.ListStreamsInput{TableName: aws.String("rows")})
			require.NoError(s, err)
			return len(out.Streams)
		}
		require.NotEqual(s, s.arn, s.srv.StreamARN("rows"))
		require.Equal(s, 2, list())
		s.srv.Advance(25 * time.Hour)
		require.Equal(s, 1, list())
	})
}

// The hash of a partition decides, so that Scan's segments and shards share items out.
func TestSegmentsShareATableOut(t *testing.T) {
	srv, client := started(t, dynamodbtest.Config{})
	for i := 0; i < 500; i += 25 {
		var names []string
		for k := range 25 {
			names = append(names, fmt.Sprint("item ", i+k))
		}
		_, err := client.BatchWriteItem(t.Context(), batch("rows", names...))
		require.NoError(t, err)
	}
	var all []dynamodbtest.Item
	for segment := range int32(4) {
		n := 0
		var from map[string]types.AttributeValue
		for {
			out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("rows"), Segment: &segment, TotalSegments: aws.Int32(4), Limit: aws.Int32(30), ExclusiveStartKey: from})
			require.NoError(t, err)
			require.LessOrEqual(t, len(out.Items), 30)
			all = append(all, out.Items...)
			n += len(out.Items)
			if from = out.LastEvaluatedKey; from == nil {
				break
			}
		}
		require.Greater(t, n, 60)
	}
	require.Equal(t, keys(srv.Items("rows")), keys(all))
	require.Len(t, all, 500)
}

func TestAWriteThatChangesNothingIsNoRecord(t *testing.T) {
	watch(t, dynamodbtest.Config{}, func(s *streamed) {
		s.put("a", 1)
		s.put("a", 1)
		_, err := s.table.DeleteItem(s.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("rows"), Key: dynamodbtest.Item{"p": text("none")}})
		require.NoError(s, err)
		_, err = s.table.UpdateItem(s.Context(), &dynamodb.UpdateItemInput{TableName: aws.String("rows"), Key: dynamodbtest.Item{"p": text("a")}, UpdateExpression: aws.String("REMOVE lacking")})
		require.NoError(s, err)
		records, _ := s.all(*s.shards()[0].ShardId)
		require.Len(s, records, 1)
		require.Equal(s, streamtypes.OperationTypeInsert, records[0].EventName)
	})
}
