package sqsstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/sqspoll"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// row is a record of the circle: it tells where it comes from.
type row struct {
	ID     int    `json:"id"`
	Object string `json:"object"`
	Offset int64  `json:"offset"`
}

const rows = 60

// message holds all rows.
func message() string {
	var all []row
	for n := range rows {
		all = append(all, row{n, "in/a.csv", int64(100 * n)})
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// origin is where a row says it comes from.
func origin(data []byte) (sqsstore.Origin, bool) {
	var r row
	err := json.Unmarshal(data, &r)
	return sqsstore.Origin{Object: r.Object, Version: "v1", Offset: r.Offset}, err == nil
}

// table is a sink that takes single rows, and refuses some.
type table struct {
	refuses func(id int) bool

	mu    sync.Mutex
	taken map[int]int // how often, by id
}

func (*table) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{BatchMessages: 25}, nil
}

func (s *table) Send(_ context.Context, batch []sink.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []sink.EntryError
	for i, m := range batch {
		var r row
		if err := json.Unmarshal(m.Body, &r); err != nil {
			return fault.Fatal(err)
		}
		if s.refuses(r.ID) {
			failed = append(failed, sink.EntryError{Index: i, Err: fault.Retryable(errors.New("no item of that key"))})
			continue
		}
		s.taken[r.ID]++
	}
	if len(failed) > 0 {
		return &sink.BatchError{Failed: failed}
	}
	return nil
}

// every tenth row is refused.
func tenth(id int) bool { return id%10 == 0 }

// circle is a queue of work whose consumer puts aside in it, and in a queue of dead
// letters, what fails. Its time is that of a bubble.
type circle struct {
	*testing.T
	server *sqstest.Server
	client *awssqs.Client
	sink   *table
	work   string // URL
}

// inCircle runs f with a circle. The server listens outside of the bubble, and is
// reached without a network; what it waits for is made in the bubble.
func inCircle(t *testing.T, f func(c *circle)) {
	server, err := sqstest.New(sqstest.Config{})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		defer server.Close()
		server.Advance(0)
		c := &circle{T: t, server: server, sink: &table{refuses: tenth, taken: map[int]int{}}}
		c.client = awssqs.New(awssqs.Options{
			Region: "us-east-1", BaseEndpoint: awssdk.String("http://sqs"), Retryer: awssdk.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: inProcess{server}},
		})
		var err error
		c.work, err = server.AddQueue("work", sqstest.QueueConfig{})
		require.NoError(t, err)
		_, err = server.AddQueue("dead", sqstest.QueueConfig{})
		require.NoError(t, err)
		register(t, c.client, sqsstore.Config{Origin: origin})
		body := message()
		_, err = c.client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &c.work, MessageBody: &body})
		require.NoError(t, err)
		f(c)
	})
}

// inProcess takes requests to a handler.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &cuttable{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, r)
	if w.cut {
		return nil, io.ErrUnexpectedEOF
	}
	return w.Result(), nil
}

// cuttable is an answer that the handler may cut off by taking the connection.
type cuttable struct {
	*httptest.ResponseRecorder
	cut bool
}

func (w *cuttable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.cut = true
	return nil, nil, net.ErrClosed
}

// consume starts a consumer; stop ends it.
func (c *circle) consume() (stop func()) {
	c.Helper()
	service, err := processor.New(processor.Config{
		Sink: c.sink, Pack: processor.Pack{Mode: processor.PackSingle}, MaxRetries: 2, Concurrency: 2,
		RetryURL: "sqs://work", FailedURL: "sqs://dead", CorruptionURL: "sqs://dead",
	})
	require.NoError(c, err)
	handler, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: service}})
	require.NoError(c, err)
	consumer, err := sqspoll.New(c.client, c.work, handler, sqspoll.Config{})
	require.NoError(c, err)
	ctx, cancel := context.WithCancel(c.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = consumer.Run(ctx)
	}()
	return func() { cancel(); <-done }
}

// letters are the messages of a queue that hold a single row, by its id.
func (c *circle) letters(queue string) map[int][]sqstest.Message {
	c.Helper()
	of := map[int][]sqstest.Message{}
	for _, m := range c.server.Messages(queue) {
		if strings.HasPrefix(m.Body, "[") {
			continue
		}
		var r row
		require.NoError(c, json.Unmarshal([]byte(m.Body), &r))
		of[r.ID] = append(of[r.ID], m)
	}
	return of
}

// isSettled checks that nothing is left to be done, and that all rows are where they
// belong; how often is for the caller to see.
func (c *circle) isSettled() {
	c.Helper()
	for _, m := range c.server.Messages("work") {
		assert.True(c, m.Deleted, m.Body)
	}
	dead := c.letters("dead")
	for id := range rows {
		if tenth(id) {
			assert.NotContains(c, c.sink.taken, id)
			if assert.NotEmpty(c, dead[id], "row %d", id) {
				assert.Equal(c, map[string]sqstest.Attribute{
					"object": {Type: "String", Value: "in/a.csv"}, "version": {Type: "String", Value: "v1"},
					"offset": {Type: "Number", Value: fmt.Sprint(100 * id)}, "attempt": {Type: "Number", Value: "3"},
					"class": {Type: "String", Value: "retryable"}, "reason": {Type: "String", Value: "no item of that key"},
					"stage": {Type: "String", Value: "sink"},
				}, dead[id][0].Attributes)
			}
		} else {
			assert.Positive(c, c.sink.taken[id], "row %d", id)
			assert.NotContains(c, dead, id)
		}
	}
}

// A row that fails is tried three times, alone, and then is a dead letter that says
// where it comes from and what it failed of. Its neighbours are delivered once.
func TestWhatFailsGoesRoundAloneAndEndsAmongTheDeadLetters(t *testing.T) {
	inCircle(t, func(c *circle) {
		stop := c.consume()
		time.Sleep(5 * time.Minute)
		stop()
		c.isSettled()
		for id := range rows {
			if !tenth(id) {
				assert.Equal(c, 1, c.sink.taken[id])
			}
		}
		again, dead := c.letters("work"), c.letters("dead")
		assert.Len(c, again, rows/10)
		for id, letters := range again {
			if assert.Len(c, letters, 2, "%d: two more attempts", id) {
				assert.Equal(c, "1", letters[0].Attributes["attempt"].Value)
				assert.Equal(c, "2", letters[1].Attributes["attempt"].Value)
			}
			assert.Len(c, dead[id], 1)
		}
	})
}

// Whatever SQS does with the sending, nothing is lost: a lost answer makes a letter
// come twice, and nothing else does.
func TestNothingIsLostOnTheWayRound(t *testing.T) {
	for seed := range uint64(4) {
		inCircle(t, func(c *circle) {
			faults := sqstest.Faults{Seed: seed, Max: 60, Throttle: 0.1, Unavailable: 0.1, Cut: 0.1, LoseResponse: 0.15, FailEntries: 0.3}.Injector()
			var deletions atomic.Int64
			c.server.Inject(func(call *sqstest.Call) sqstest.Fault {
				switch {
				case call.Operation == "SendMessageBatch":
					return faults(call)
				case call.Operation == "DeleteMessageBatch" && deletions.Add(1)%3 == 0:
					return sqstest.Fault{LoseResponse: deletions.Load()%2 == 0, Cut: true}
				}
				return sqstest.Fault{}
			})
			stop := c.consume()
			time.Sleep(30 * time.Minute)
			stop()
			c.isSettled()
			for id := range rows {
				if !tenth(id) {
					assert.Equal(c, 1, c.sink.taken[id], "row %d", id)
				}
			}
		})
	}
}

// A consumer that dies after it has put aside what failed, and before the message is
// deleted, leaves it all to the next: only what fails can be a letter twice.
func TestAConsumerThatDiesBeforeItDeletes(t *testing.T) {
	inCircle(t, func(c *circle) {
		var dead atomic.Bool
		c.server.Inject(func(call *sqstest.Call) sqstest.Fault {
			if call.Operation == "DeleteMessageBatch" && !dead.Load() {
				return sqstest.Fault{Cut: true}
			}
			return sqstest.Fault{}
		})
		stop := c.consume()
		time.Sleep(20 * time.Second)
		assert.Len(c, c.letters("work"), rows/10, "they are put aside")
		stop()
		dead.Store(true)
		stop = c.consume()
		time.Sleep(10 * time.Minute)
		stop()
		c.isSettled()
		for id := range rows {
			assert.LessOrEqual(c, c.sink.taken[id], 2)
		}
		for id := range c.letters("work") {
			assert.True(c, tenth(id), "row %d", id)
		}
	})
}
