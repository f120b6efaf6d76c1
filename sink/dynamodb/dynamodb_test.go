package dynamodb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, api API, cfg Config) *Sink {
	t.Helper()
	cfg.Table = "table"
	s, err := New(api, cfg)
	require.NoError(t, err)
	return s
}

func messages(bodies ...string) []sink.Message {
	batch := make([]sink.Message, len(bodies))
	for i, b := range bodies {
		batch[i] = sink.Message{ID: "m" + strconv.Itoa(i), Body: []byte(b), Records: 1}
	}
	return batch
}

// fates returns the classes of what was not accepted, by index.
func fates(t testing.TB, err error) map[int]fault.Class {
	t.Helper()
	got := map[int]fault.Class{}
	if err == nil {
		return got
	}
	batch, ok := errors.AsType[*sink.BatchError](err)
	require.True(t, ok, "%v", err)
	for _, f := range batch.Failed {
		got[f.Index] = fault.Of(f.Err)
	}
	return got
}

func TestSendPutsItems(t *testing.T) {
	api := newTable()
	s := open(t, api, Config{})
	require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","n":1.50,"ok":true,"none":null,"list":[1,"x"],"map":{"k":2}}`, `{"id":"b"}`)))
	assert.Equal(t, map[string]int{"DescribeTable": 1, "BatchWriteItem": 1}, api.calls)
	assert.Equal(t, Item{
		"id": &types.AttributeValueMemberS{Value: "a"}, "n": &types.AttributeValueMemberN{Value: "1.50"},
		"ok": &types.AttributeValueMemberBOOL{Value: true}, "none": &types.AttributeValueMemberNULL{Value: true},
		"list": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberN{Value: "1"}, &types.AttributeValueMemberS{Value: "x"},
		}},
		"map": &types.AttributeValueMemberM{Value: Item{"k": &types.AttributeValueMemberN{Value: "2"}}},
	}, api.items["a"])
	assert.Len(t, api.items, 2)
	require.NoError(t, s.Send(t.Context(), nil))
}

// A message that cannot be an item is corrupt, and the others of its batch are put.
func TestSendPoison(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON": `x`, "array": `[{"id":"a"}]`, "null": `null`, "two": `{"id":"a"}{"id":"b"}`, "no key": `{"n":1}`, "key of another type": `{"id":1}`,
		"empty key": `{"id":""}`, "nameless": `{"id":"a","":1}`, "digits": `{"id":"a","n":1` + strings.Repeat("0", 38) + `1}`, "great": `{"id":"a","n":1e126}`,
		"small": `{"id":"a","n":1e-131}`, "no UTF-8": "{\"id\":\"a\",\"text\":\"x\xff\"}", "large": `{"id":"a","text":"` + strings.Repeat("x", maxItemBytes) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			api := newTable()
			err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"good"}`, body))
			assert.Equal(t, map[int]fault.Class{1: fault.ClassCorrupt}, fates(t, err))
			assert.Equal(t, []string{"good"}, api.order)
			assert.NotContains(t, err.Error(), "xxxx", "no payload")
		})
	}
}

// What only the table knows to be wrong is found in its batch.
func TestSendWhatTheTableRefuses(t *testing.T) {
	api := newTable()
	api.refuse = func(item Item) bool { _, bad := item["index"]; return bad }
	err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a"}`, `{"id":"b","index":1}`, `{"id":"c"}`))
	assert.Equal(t, map[int]fault.Class{1: fault.ClassCorrupt}, fates(t, err))
	assert.Len(t, api.items, 2)
}

func TestSendUnprocessedItemsAreInterrupted(t *testing.T) {
	api := newTable()
	api.leave = func(key string) bool { return key == "b" || key == "d" }
	err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`, `{"id":"d"}`))
	assert.Equal(t, map[int]fault.Class{1: fault.ClassInterrupted, 3: fault.ClassInterrupted}, fates(t, err))
	assert.Len(t, api.items, 2)
}

// An answer that leaves unprocessed what was not sent says nothing of what was.
func TestSendAnAnswerThatDoesNotFit(t *testing.T) {
	for name, request := range map[string]types.WriteRequest{
		"another item": {PutRequest: &types.PutRequest{Item: Item{"id": &types.AttributeValueMemberS{Value: "x"}}}},
		"no key":       {PutRequest: &types.PutRequest{Item: Item{}}},
		"no item":      {DeleteRequest: &types.DeleteRequest{}},
	} {
		api := newTable()
		api.more = []types.WriteRequest{request}
		err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a"}`))
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err), name)
		_, batch := errors.AsType[*sink.BatchError](err)
		assert.False(t, batch, name)
	}
}

func TestSendMoreThanABatch(t *testing.T) {
	api := newTable()
	bodies := make([]string, 26)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"id":"%d"}`, i)
	}
	for _, mode := range []Mode{Put, PutIfAbsent, Merge} {
		assert.ErrorIs(t, open(t, api, Config{Mode: mode}).Send(t.Context(), messages(bodies...)), sink.ErrTooLarge)
	}
	assert.Empty(t, api.items)
}

// No more calls for single items are under way at a time than Parallel says, whatever
// the number of Sends: each would be a connection.
func TestSendParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &slow{table: newTable()}
		s := open(t, api, Config{Mode: PutIfAbsent, Parallel: 3})
		var wait sync.WaitGroup
		for n := range 4 {
			var bodies []string
			for i := range 6 {
				bodies = append(bodies, fmt.Sprintf(`{"id":"%d-%d"}`, n, i))
			}
			wait.Go(func() { assert.NoError(t, s.Send(t.Context(), messages(bodies...))) })
		}
		wait.Wait()
		assert.EqualValues(t, 3, api.most.Load())
		assert.Len(t, api.items, 24)

		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := s.Send(ctx, messages(`{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`, `{"id":"d"}`, `{"id":"e"}`, `{"id":"f"}`, `{"id":"g"}`))
		assert.Equal(t, map[int]fault.Class{6: fault.ClassInterrupted}, fates(t, err), "who waits for a turn does not wait beyond the end")
	})
}

// slow takes a second for each item, and counts those under way.
type slow struct {
	*table
	now, most atomic.Int64
}

func (s *slow) PutItem(ctx context.Context, in *awsdynamodb.PutItemInput, optFns ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	n := s.now.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	time.Sleep(time.Second)
	s.now.Add(-1)
	return s.table.PutItem(ctx, in, optFns...)
}

// Of two items with one key the later one is put last, in a call of its own.
func TestSendOneKeyTwice(t *testing.T) {
	api := newTable()
	require.NoError(t, open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a","n":1}`, `{"id":"b"}`, `{"id":"a","n":2}`, `{"id":"a","n":3}`)))
	assert.Equal(t, &types.AttributeValueMemberN{Value: "3"}, api.items["a"]["n"])
	assert.Equal(t, 3, api.calls["BatchWriteItem"])
}

// A key of two attributes is one of both, that of the partition first in whatever order
// the table has them.
func TestKeysOfTwoAttributes(t *testing.T) {
	d := newTable().describes
	d.KeySchema = append([]types.KeySchemaElement{{AttributeName: aws.String("sort"), KeyType: types.KeyTypeRange}}, d.KeySchema...)
	d.AttributeDefinitions = append(d.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("sort"), AttributeType: types.ScalarAttributeTypeS})
	key, err := keyAttributes(d)
	require.NoError(t, err)
	assert.Equal(t, []keyAttribute{{"id", types.ScalarAttributeTypeS}, {"sort", types.ScalarAttributeTypeS}}, key)
	one, err := keyIn(Item{"id": text("a"), "sort": text("b:c")}, key)
	require.NoError(t, err)
	other, err := keyIn(Item{"id": text("a:b"), "sort": text("c")}, key)
	require.NoError(t, err)
	assert.NotEqual(t, one, other)
}

// A key of a number is one however it is written.
func TestSendOneNumberTwice(t *testing.T) {
	key := []keyAttribute{{"n", types.ScalarAttributeTypeN}}
	id := func(n string) string {
		k, err := keyIn(Item{"n": &types.AttributeValueMemberN{Value: n}}, key)
		require.NoError(t, err)
		return k
	}
	assert.Equal(t, id("100"), id("1.00E2"))
	assert.NotEqual(t, id("100"), id("100.1"))
}

func TestSendIfAbsent(t *testing.T) {
	api := newTable()
	s := open(t, api, Config{Mode: PutIfAbsent})
	require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","n":1}`)))
	require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","n":2}`, `{"id":"b"}`, `{"id":"b","n":1}`)))
	assert.Equal(t, &types.AttributeValueMemberN{Value: "1"}, api.items["a"]["n"])
	assert.NotContains(t, api.items["b"], "n")
	assert.EqualValues(t, 2, s.Existing())

	api.fail = func(string) error { return &smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException"} }
	assert.Equal(t, fault.ClassInterrupted, fault.Of(s.Send(t.Context(), messages(`{"id":"c"}`))))
	api.fail, api.refuse = nil, func(Item) bool { return true }
	assert.Equal(t, map[int]fault.Class{0: fault.ClassCorrupt}, fates(t, s.Send(t.Context(), messages(`{"id":"c"}`))))
}

func TestSendErrorsOfTheCall(t *testing.T) {
	for code, want := range map[string]fault.Class{
		"ProvisionedThroughputExceededException": fault.ClassInterrupted, "ThrottlingException": fault.ClassInterrupted,
		"InternalServerError": fault.ClassInterrupted, "ResourceNotFoundException": fault.ClassFatal, "AccessDeniedException": fault.ClassFatal,
	} {
		for _, op := range []string{"DescribeTable", "BatchWriteItem"} {
			api := newTable()
			api.fail = func(now string) error {
				if now == op {
					return &smithy.GenericAPIError{Code: code}
				}
				return nil
			}
			err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a"}`))
			assert.Equal(t, want, fault.Of(err), "%s of %s", code, op)
		}
	}
	api := newTable()
	api.fail = func(string) error { return errors.New("connection reset") }
	assert.Equal(t, fault.ClassInterrupted, fault.Of(open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a"}`))))
}

// The key is asked for once, and again while the answer was none.
func TestLimits(t *testing.T) {
	api := newTable()
	s := open(t, api, Config{})
	api.fail = func(string) error { return errors.New("away") }
	_, err := s.Limits(t.Context())
	require.Equal(t, fault.ClassInterrupted, fault.Of(err))
	api.fail = nil
	for range 2 {
		l, err := s.Limits(t.Context())
		require.NoError(t, err)
		assert.Equal(t, sink.Limits{BatchMessages: 25}, l)
	}
	assert.Equal(t, 2, api.calls["DescribeTable"])

	for name, spoil := range map[string]func(*types.TableDescription){
		"no key":  func(d *types.TableDescription) { d.KeySchema = nil },
		"no type": func(d *types.TableDescription) { d.AttributeDefinitions = nil },
	} {
		api := newTable()
		spoil(api.describes)
		_, err := open(t, api, Config{}).Limits(t.Context())
		assert.Equal(t, fault.ClassFatal, fault.Of(err), name)
	}
}

func TestWriteUnitsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := open(t, api, Config{WriteUnits: 100})
		start := time.Now()
		for i := range 40 { // 40 times 25 items of one unit
			batch := make([]string, 25)
			for j := range batch {
				batch[j] = fmt.Sprintf(`{"id":"%d-%d"}`, i, j)
			}
			require.NoError(t, s.Send(t.Context(), messages(batch...)))
		}
		assert.InDelta(t, 10, time.Since(start).Seconds(), 1.5)

		require.NoError(t, s.Send(t.Context(), messages(`{"id":"x","text":"`+strings.Repeat("x", 300<<10)+`"}`))) // 301 units
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.Send(ctx, messages(`{"id":"y"}`))
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotContains(t, api.items, "y")
	})
}

// A Send that ended while it waited has used nothing: where each run had time for less than
// its senders asked for, what they had asked for in vain was waited for by the next one.
func TestDefectUnitsThatWereNotUsedWerePaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := open(t, api, Config{WriteUnits: 5})
		for run := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			var senders sync.WaitGroup
			for sender := range 4 {
				senders.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						batch := make([]string, 25)
						for i := range batch {
							batch[i] = fmt.Sprintf(`{"id":"%d-%d-%d-%d"}`, run, sender, n, i)
						}
						_ = s.Send(ctx, messages(batch...))
					}
				})
			}
			senders.Wait()
			cancel()
		}
		assert.InDelta(t, 20*10*5, len(api.items), 100)

		s = open(t, newTable(), Config{WriteUnits: 1e-300})
		require.NoError(t, s.Send(t.Context(), messages(`{"id":"a"}`)))
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		require.ErrorIs(t, s.Send(ctx, messages(`{"id":"b"}`)), context.DeadlineExceeded)
	})
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := New(nil, Config{WriteUnits: -1, Parallel: -1, Mode: "upsert"})
	for _, want := range []string{"no client", "no Table", `Mode "upsert"`, "WriteUnits -1", "Parallel -1"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestSendIsSafeForConcurrentUse(t *testing.T) {
	for _, mode := range []Mode{Put, PutIfAbsent} {
		api := newTable()
		s := open(t, api, Config{Mode: mode, WriteUnits: 1e9})
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				for j := range 20 {
					assert.NoError(t, s.Send(t.Context(), messages(fmt.Sprintf(`{"id":"%d-%d"}`, i, j), fmt.Sprintf(`{"id":"%d"}`, j))))
				}
			})
		}
		wait.Wait()
		assert.Len(t, api.items, 180)
	}
}

// A table that leaves most of what it is given unprocessed gets it all in the end.
func TestThrottledTableGetsItAll(t *testing.T) {
	folder := t.TempDir()
	want, err := spooltest.Write(folder+"/spool", spooltest.Config{Files: 100})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		r := rand.New(rand.NewPCG(1, 2))
		var left atomic.Int64
		api.leave = func(string) bool { // called under the lock of the table
			if r.IntN(10) < 6 {
				left.Add(1)
				return true
			}
			return false
		}
		files, err := dir.Open(folder+"/spool", dir.Config{})
		require.NoError(t, err)
		defer files.Close()
		s := open(t, api, Config{Item: func(body []byte) (Item, error) {
			sum := sha256.Sum256(body)
			return Item{"id": &types.AttributeValueMemberS{Value: hex.EncodeToString(sum[:])}}, nil
		}})
		service, err := processor.New(processor.Config{
			Source: files, Claimer: memory.New(), Transform: transform.StripPreamble{}, Sink: s, Pack: processor.Pack{Mode: processor.PackSingle},
			RetryURL: folder + "/retry", FailedURL: folder + "/failed", CorruptionURL: folder + "/corrupt",
		})
		require.NoError(t, err)
		start := time.Now()
		reporter, err := service.Run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, len(want.Delivered), reporter.BaseResponse().Delivered)
		assert.Len(t, slices.Collect(maps.Keys(api.items)), len(want.Delivered))
		assert.Positive(t, left.Load())
		t.Logf("%d records, %d left unprocessed, in %v", len(want.Delivered), left.Load(), time.Since(start))
	})
}
