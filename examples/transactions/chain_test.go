package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/processor/redrive/sqsbox"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// envRows is how many rows a test takes, where that is not up to the test.
const envRows = "TRANSACTIONS_ROWS"

// standIns are SQS and DynamoDB of a test, and a chain that uses them.
type standIns struct {
	*chain
	queues *sqstest.Server
	table  *dynamodbtest.Server
	log    *meter
	folder string
}

func newStandIns(t *testing.T) *standIns {
	t.Helper()
	s := &standIns{
		queues: sqstest.Start(t, sqstest.Config{DiscardDeleted: true}), table: dynamodbtest.Start(t, dynamodbtest.Config{Shards: 4}),
		log: new(meter), folder: t.TempDir(),
	}
	s.chain = newChain(settings(s.queues.URL()), settings(s.table.URL()), memory.New(), newLogger(io.MultiWriter(s.log, t.Output())))
	require.NoError(t, s.create(t.Context()))
	return s
}

// loaded is what rows have to become, once they are in the first queue.
func (s *standIns) loaded(t *testing.T, rows int) *truth {
	t.Helper()
	want, err := upload(s.folder, rows, 3)
	require.NoError(t, err)
	report, counts, err := s.load(t.Context(), s.folder)
	require.NoError(t, err)
	require.NoError(t, want.compare(report, counts))
	return want
}

// A message that is received three times, and not settled, is a dead letter: that of its
// own queue.
func TestQueuesGiveUpAfterThreeReceives(t *testing.T) {
	s := newStandIns(t)
	attribute := func(queue string, name sqstypes.QueueAttributeName) string {
		at, err := s.chain.queues.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: &queue})
		require.NoError(t, err)
		out, err := s.chain.queues.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
			QueueUrl: at.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{name},
		})
		require.NoError(t, err)
		return out.Attributes[string(name)]
	}
	for _, queue := range queueNames {
		dead := attribute(deadLetters(queue), sqstypes.QueueAttributeNameQueueArn)
		require.NotEmpty(t, dead)
		assert.JSONEq(t, `{"deadLetterTargetArn":"`+dead+`","maxReceiveCount":3}`,
			attribute(queue, sqstypes.QueueAttributeNameRedrivePolicy), queue)
		assert.Empty(t, attribute(deadLetters(queue), sqstypes.QueueAttributeNameRedrivePolicy), queue)
	}
}

// A table that takes less than half of what it is given gets all of it.
func TestThrottledTable(t *testing.T) {
	s := newStandIns(t)
	s.work.krone.Store(true)
	rows := 1_000
	if !testtool.Brief() {
		rows = 30_000
	}
	if n, err := strconv.Atoi(os.Getenv(envRows)); err == nil {
		rows = n
	}
	want := s.loaded(t, rows)
	s.table.Inject(dynamodbtest.Faults{Seed: 1, Unprocessed: 0.6, LoseResponse: 0.01}.Injector())
	start := time.Now()
	require.NoError(t, s.during(t.Context(), func(ctx context.Context) error { return s.await(ctx, stored, want.clean) }, "store"))
	calls := s.table.Calls("BatchWriteItem")
	t.Logf("%d rows stored in %v by %d calls", want.clean, time.Since(start), calls)
	require.Greater(t, 25*calls, 2*want.clean, "items that were sent, of which the table takes 40%")
	require.NoError(t, s.during(t.Context(), func(ctx context.Context) error { return s.await(ctx, finished, want.clean) }))
	require.NoError(t, s.check(t.Context(), want))
	assert.Less(t, s.log.bytes.Load(), int64(100_000))
}

// A dead letter tells its row, and where that comes from.
func TestTheOriginSurvives(t *testing.T) {
	t.Parallel() // it mostly waits; no other test beside it runs stages in this process
	s := newStandIns(t)
	want := s.loaded(t, 500)
	require.Positive(t, want.late)
	var dead redrive.Report
	require.NoError(t, s.during(t.Context(), func(ctx context.Context) (err error) {
		if err := s.await(ctx, finished, want.clean-want.late); err != nil {
			return err
		}
		dead, err = s.inspect(ctx, queueStored, want.late)
		return err
	}))
	letter := dead.Examples[0]
	assert.Equal(t, csvFile, letter.Object)
	assert.Equal(t, attempts, letter.Attempt)
	var row struct {
		Record, Object string
		Offset         int64
	}
	require.NoError(t, json.Unmarshal([]byte(s.queues.Messages(deadLetters(queueStored))[0].Body), &row))
	assert.Equal(t, letter.Offset, row.Offset)

	// The same by the id of the record, which is what "unspool explain --record" does.
	rows, files, err := openRows(s.folder)
	require.NoError(t, err)
	defer files.Close()
	letters, err := sqsbox.New(s.chain.queues, deadLetters(queueStored), sqsbox.Config{})
	require.NoError(t, err)
	track, err := redrive.Trace(t.Context(), redrive.TraceConfig{
		Inspect: processor.InspectConfig{Source: rows, Claims: s.claims.(claim.Inspector)}, Boxes: []redrive.Box{letters}, Open: true,
	}, row.Record)
	require.NoError(t, err)
	assert.Equal(t, redrive.FateDeadLetter, track.Fate)
	assert.Equal(t, csvFile, track.Object)
	assert.Equal(t, row.Offset, track.Offset)
	assert.Contains(t, track.Aside[0].Reason, errCurrency.Error())
}

// What is not as it has to be is told.
func TestCheckTellsWhatDiffers(t *testing.T) {
	s := newStandIns(t)
	put := func(id, net, object string) {
		_, err := s.chain.table.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: awssdk.String(tableName), Item: map[string]types.AttributeValue{
			"transaction_id": &types.AttributeValueMemberS{Value: id}, "net": &types.AttributeValueMemberN{Value: net},
			"object": &types.AttributeValueMemberS{Value: object}, "record": &types.AttributeValueMemberS{Value: "r"},
		}})
		require.NoError(t, err)
	}
	put(transactionID(1), "100", csvFile)
	want := &truth{nets: map[int]int64{1: 100}}
	require.NoError(t, s.check(t.Context(), want))

	want.nets[2] = 200
	require.ErrorContains(t, s.check(t.Context(), want), "TX00000002 is lost")
	put(transactionID(2), "201", csvFile)
	require.ErrorContains(t, s.check(t.Context(), want), `TX00000002: its result is "201", want 200`)
	put(transactionID(2), "200", "")
	require.ErrorContains(t, s.check(t.Context(), want), "TX00000002: it does not tell where it comes from")
	put(transactionID(2), "200", csvFile)
	require.NoError(t, s.check(t.Context(), want))
	for _, id := range []string{transactionID(3), "2", "TX2", "T"} {
		put(id, "200", csvFile)
		require.ErrorContains(t, s.check(t.Context(), want), `"`+id+`" is stored`)
		_, err := s.chain.table.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{
			TableName: awssdk.String(tableName), Key: map[string]types.AttributeValue{"transaction_id": &types.AttributeValueMemberS{Value: id}},
		})
		require.NoError(t, err)
	}
}

func TestNet(t *testing.T) {
	for _, c := range []struct {
		amount, fee string
		net         int64
	}{
		{"12345.60", "0.10", 1234550}, {"-12345.6", "null", -1234560}, {"1", "", 100}, {"0.29", "0.28", 1},
	} {
		got, err := net(c.amount, c.fee, 2)
		require.NoError(t, err)
		assert.Equal(t, c.net, got, c.amount)
	}
	for _, bad := range [][2]string{{"", ""}, {"x", ""}, {"1", "x"}, {"0.001", ""}, {"1", "0.001"}, {"1e30", ""}} {
		_, err := net(bad[0], bad[1], 2)
		assert.Error(t, err, bad)
	}
}

// A currency that is not known is tried again; an amount that is none is not.
func TestWork(t *testing.T) {
	var w work
	try := func(record string) (string, error) {
		var out transform.Output
		err := w.transform().Apply(t.Context(), source.Record{Data: []byte(record)}, &out)
		if out.Len() == 0 {
			return "", err
		}
		return string(out.Value(0)), err
	}
	row := `{"transaction_id":"TX00000001","record":"r.7","object":"day.csv","offset":7,"currency":"NOK","amount":10.5,"fee":0.5}`
	_, err := try(row)
	require.ErrorIs(t, err, errCurrency)
	assert.NotEqual(t, fault.ClassCorrupt, fault.Of(err))
	w.krone.Store(true)
	got, err := try(row)
	require.NoError(t, err)
	assert.JSONEq(t, `{"transaction_id":"TX00000001","record":"r.7","object":"day.csv","offset":7,"net":1000}`, got)
	_, err = try(strings.Replace(row, "10.5", "null", 1))
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
}

// Only images without a result are passed on.
func TestFresh(t *testing.T) {
	for in, want := range map[string]string{
		`{"eventName":"INSERT","newImage":{"transaction_id":"a"}}`:         `{"transaction_id":"a"}`,
		`{"eventName":"MODIFY","newImage":{"transaction_id":"a","net":1}}`: "",
		`{"eventName":"MODIFY","newImage":{"transaction_id":"a","fee":1}}`: `{"transaction_id":"a","fee":1}`,
		`{"eventName":"REMOVE","keys":{"transaction_id":"a"}}`:             "",
	} {
		var out transform.Output
		require.NoError(t, fresh(t.Context(), source.Record{Data: []byte(in)}, &out))
		got := ""
		if out.Len() > 0 {
			got = string(out.Value(0))
		}
		assert.Equal(t, want, got, in)
	}
}
