package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// sixOfTen has no capacity for 60% of what is written: whether for a write is a matter
// of its key and of how often it was tried before, and of nothing else.
func sixOfTen() func(key string) bool {
	tries := map[string]int{}
	return func(key string) bool {
		tries[key]++
		h := fnv.New64a()
		fmt.Fprint(h, key, "/", tries[key])
		return h.Sum64()%10 < 6
	}
}

// distant is a table that takes two milliseconds to answer.
type distant struct{ *table }

const distance = 2 * time.Millisecond

func (d distant) BatchWriteItem(ctx context.Context, in *awsdynamodb.BatchWriteItemInput, optFns ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchWriteItemOutput, error) {
	time.Sleep(distance)
	return d.table.BatchWriteItem(ctx, in, optFns...)
}

func (d distant) PutItem(ctx context.Context, in *awsdynamodb.PutItemInput, optFns ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	time.Sleep(distance)
	return d.table.PutItem(ctx, in, optFns...)
}

func (d distant) UpdateItem(ctx context.Context, in *awsdynamodb.UpdateItemInput, optFns ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	time.Sleep(distance)
	return d.table.UpdateItem(ctx, in, optFns...)
}

// 558,000 items are in within five minutes though six of ten writes are throttled,
// with the senders that a service has on two cores: here as many as are to be in
// within 2.15 seconds. When the rest of each batch was left to the processor alone,
// whose pauses are for a table that takes nothing, it took half an hour.
func TestDefectThrottlingMadeItCrawl(t *testing.T) {
	const records, all, within = 4_000, 558_000, 5 * time.Minute
	var text strings.Builder
	for i := range records {
		fmt.Fprintf(&text, "{\"id\":\"%d\",\"n\":1}\n", i)
	}
	for _, mode := range []Mode{Put, PutIfAbsent, Merge} {
		folder := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			api := newTable()
			if mode == Merge {
				for i := range records {
					api.put(Item{"id": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}})
				}
			}
			api.leave = sixOfTen()
			service, err := processor.New(processor.Config{
				Sink: open(t, distant{api}, Config{Mode: mode}), Pack: processor.Pack{Mode: processor.PackSingle}, Concurrency: 2,
				RetryURL: folder + "/retry", FailedURL: folder + "/failed", CorruptionURL: folder + "/corrupt",
			})
			require.NoError(t, err)
			start := time.Now()
			report, err := service.Do(t.Context(), processor.NewRequest(strings.NewReader(text.String()), nil, "mem://rows"))
			require.NoError(t, err)
			took := time.Since(start)
			assert.EqualValues(t, records, report.BaseResponse().Delivered)
			assert.Len(t, api.items, records)
			for id, item := range api.items {
				require.Contains(t, item, "n", id)
			}
			assert.Less(t, took*all/records, within, "as long for all %s", mode)
			t.Logf("%s: %v, or %v for %d", mode, took, took*all/records, all)
		})
	}
}

// What there is no capacity for is sent again while other items get through, and then
// a few times with pauses; what still is left is the processor's.
func TestSendGoesOnWhileItemsGetThrough(t *testing.T) {
	for _, mode := range []Mode{Put, PutIfAbsent} {
		synctest.Test(t, func(t *testing.T) {
			api := newTable()
			tries := map[string]int{}
			api.leave = func(key string) bool {
				tries[key]++
				return key == "b" && tries[key] < 3 || key == "c" && tries[key] < 6 || key == "never"
			}
			start := time.Now()
			err := open(t, api, Config{Mode: mode}).Send(t.Context(), messages(`{"id":"a"}`, `{"id":"b"}`, `{"id":"never"}`, `{"id":"c"}`))
			assert.Equal(t, map[int]fault.Class{2: fault.ClassInterrupted}, fates(t, err))
			assert.Len(t, api.items, 3)
			assert.Equal(t, 1, tries["a"], "what got through is not sent again")
			assert.Equal(t, 3, tries["b"])
			assert.Equal(t, 6, tries["c"])
			assert.Less(t, time.Since(start), time.Second)
		})
	}
}

// Only pauses in a row are counted: a table that takes one item now and then gets them all.
func TestSendToASlowTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		taken := 0 // in which call
		api.leave = func(string) bool {
			call := api.calls["BatchWriteItem"]
			if call%5 != 1 || call == taken {
				return true
			}
			taken = call
			return false
		}
		var bodies []string
		for i := range 25 {
			bodies = append(bodies, fmt.Sprintf(`{"id":"%d"}`, i))
		}
		require.NoError(t, open(t, api, Config{}).Send(t.Context(), messages(bodies...)))
		assert.Len(t, api.items, 25)
	})
}

// Where nothing gets through the processor is told at once: it slows down.
func TestSendToATableThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for mode, op := range map[Mode]string{Put: "BatchWriteItem", PutIfAbsent: "PutItem", Merge: "UpdateItem"} {
			api := newTable()
			api.fail = func(now string) error {
				if now == op {
					return &types.ProvisionedThroughputExceededException{}
				}
				return nil
			}
			s := open(t, api, Config{Mode: mode})
			for range 2 {
				start := time.Now()
				api.calls[op] = 0
				err := s.Send(t.Context(), messages(`{"id":"a"}`, `{"id":"b"}`))
				_, partly := errors.AsType[*sink.BatchError](err)
				assert.False(t, partly, "%v", err)
				assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
				assert.Zero(t, time.Since(start))
				assert.LessOrEqual(t, api.calls[op], 2, "each once")
				api.fail, api.leave = nil, func(string) bool { return true } // an answer, but of nothing else
			}
		}
	})
}

// The second of two messages with one key finds a table that has just taken others: that is
// no table that takes nothing, of which all would be sent again.
func TestDefectASecondMessageOfAKeyWasTakenForAnOutage(t *testing.T) {
	for _, mode := range []Mode{Put, Merge} {
		synctest.Test(t, func(t *testing.T) {
			api := newTable()
			api.put(Item{"id": text("a")})
			api.put(Item{"id": text("b")})
			tries := 0
			api.leave = func(key string) bool {
				if key == "a" {
					tries++
				}
				return key == "a" && tries > 1 && tries < 6
			}
			s := open(t, api, Config{Mode: mode})
			require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","n":1}`, `{"id":"b"}`, `{"id":"a","n":2}`)), mode)
			assert.Equal(t, number("2"), api.items["a"]["n"])

			tries = 0
			api.leave = func(key string) bool { tries++; return key == "a" && tries > 2 }
			err := s.Send(t.Context(), messages(`{"id":"a","n":3}`, `{"id":"b"}`, `{"id":"a","n":4}`))
			assert.Equal(t, map[int]fault.Class{2: fault.ClassInterrupted}, fates(t, err), mode)
			assert.Equal(t, number("3"), api.items["a"]["n"])

			api.leave = nil
			calls := 0
			api.fail = func(op string) error {
				if calls++; op == "BatchWriteItem" && calls > 1 || op == "UpdateItem" && calls > 2 {
					return &types.ResourceNotFoundException{}
				}
				return nil
			}
			assert.Equal(t, fault.ClassFatal, fault.Of(s.Send(t.Context(), messages(`{"id":"a"}`, `{"id":"b"}`, `{"id":"a","n":5}`))), mode)
		})
	}
}

// The end of the context ends the pauses, and what got through is known.
func TestSendIsEndedInItsPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		api.leave = func(key string) bool { return key == "b" }
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := open(t, api, Config{}).Send(ctx, messages(`{"id":"a"}`, `{"id":"b"}`))
		assert.Equal(t, map[int]fault.Class{1: fault.ClassInterrupted}, fates(t, err))
	})
}

// What fails for good after others got through fails for good.
func TestSendAnErrorInTheMiddle(t *testing.T) {
	api := newTable()
	api.leave = func(key string) bool { return key == "b" }
	api.fail = func(op string) error {
		if op == "BatchWriteItem" && api.calls[op] == 2 {
			return &types.ResourceNotFoundException{}
		}
		return nil
	}
	err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a"}`, `{"id":"b"}`))
	assert.Equal(t, map[int]fault.Class{1: fault.ClassFatal}, fates(t, err))
}
