package streampoll_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/processor/fault"
)

func TestShardsAreReadSideBySideEachInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a", "b", "c")
		h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
		a, b, c := s.add("a", 2500), s.add("b", 10), s.add("c", 101)
		stop := consume(t, s, h, streampoll.Config{})
		time.Sleep(time.Minute)
		more := s.add("b", 5)
		time.Sleep(5 * time.Second)
		out := stop()
		require.NoError(t, out.err)
		once(t, h.settled(), a, b, c, more)
		assert.Empty(t, h.mistakes())
		assert.Equal(t, 3, h.most)
		assert.Equal(t, 100, slices.Max(h.sizes()))
		assert.Equal(t, streampoll.Stats{Received: 2616, Settled: 2616, Shards: 3}, out.stats)
	})
}

// A child is begun when all of its parent is settled, and not before.
func TestParentsComeBeforeTheirChildren(t *testing.T) {
	for _, pages := range []int{1, 2, 100} {
		synctest.Test(t, func(t *testing.T) {
			s := newStream("root", "other")
			s.pageSize = pages
			h := &handler{f: func(_ context.Context, batch []change) (int, error) {
				time.Sleep(3 * time.Second)
				return len(batch), nil
			}}
			want := [][]string{s.add("root", 250)}
			s.end("root", "left", "right")
			want = append(want, s.add("left", 120), s.add("right", 120))
			s.end("left", "leftmost")
			want = append(want, s.add("leftmost", 3), s.add("other", 500))
			stop := consume(t, s, h, streampoll.Config{})
			time.Sleep(time.Minute)
			s.end("leftmost", "last") // while it runs
			want = append(want, s.add("last", 7))
			time.Sleep(30 * time.Second)
			out := stop()
			require.NoError(t, out.err)
			names := h.settled()
			once(t, names, want...)
			for parent, child := range map[string]string{"root": "left", "left": "leftmost", "leftmost": "last"} {
				assert.Less(t, slices.Index(names, of(names, parent)[len(of(names, parent))-1]), slices.Index(names, child+" 0"))
			}
			assert.Less(t, slices.Index(names, "root 249"), slices.Index(names, "right 0"))
			assert.EqualValues(t, 3, out.stats.Finished)
			assert.Zero(t, out.stats.Gaps)
		})
	}
}

func TestAShardThatIsFinishedIsNeverReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		s.add("a", 3)
		s.end("a")
		c, err := streampoll.New(s, arn, h, streampoll.Config{})
		require.NoError(t, err)
		stop := start(t, c)
		time.Sleep(time.Minute)
		out := stop()
		assert.EqualValues(t, 1, out.stats.Finished)
		reads := len(s.readsOf("a"))
		stop = start(t, c)
		time.Sleep(time.Hour)
		out = stop()
		assert.Equal(t, streampoll.Stats{}, out.stats)
		assert.Len(t, s.readsOf("a"), reads)
		assert.Len(t, h.settled(), 3)
	})
}

func TestMaxShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
		var want [][]string
		for i := range 7 {
			id := "s" + strconv.Itoa(i)
			s.open(id, "")
			want = append(want, s.add(id, 300))
			s.end(id)
		}
		stop := consume(t, s, h, streampoll.Config{MaxShards: 2})
		time.Sleep(time.Minute)
		stop()
		once(t, h.settled(), want...)
		assert.Equal(t, 2, h.most)
	})
}

// A description of many pages is none of one moment.
func TestAParentThatADescriptionLacksIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("parent", "other"), &handler{}
		want := [][]string{s.add("parent", 10), s.add("other", 10)}
		s.end("parent", "child")
		s.end("other", "others")
		want = append(want, s.add("child", 10), s.add("others", 10))
		s.hide = func(shard string, looks int) bool {
			return shard == "parent" && looks%2 == 1 || shard == "other" && looks%2 == 0
		}
		stop := consume(t, s, h, streampoll.Config{})
		time.Sleep(time.Minute)
		out := stop()
		once(t, h.settled(), want...)
		assert.Less(t, slices.Index(h.settled(), "parent 9"), slices.Index(h.settled(), "child 0"))
		assert.Less(t, slices.Index(h.settled(), "other 9"), slices.Index(h.settled(), "others 0"))
		assert.Zero(t, out.stats.Gaps)
	})
}

// DynamoDB takes five reads a second of a shard.
func TestReadsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("busy", "idle"), &handler{}
		s.add("busy", 2000)
		stop := consume(t, s, h, streampoll.Config{ReadLimit: 20})
		time.Sleep(19900 * time.Millisecond)
		stop()
		for _, shard := range []string{"busy", "idle"} {
			reads := s.readsOf(shard)
			for i := 5; i < len(reads); i++ {
				assert.GreaterOrEqual(t, reads[i].Sub(reads[i-5]), time.Second)
			}
		}
		assert.Len(t, s.readsOf("busy"), 80)
		assert.Len(t, s.readsOf("idle"), 20)
	})
}

// A page may be empty though the shard has more, which is certain of one that is closed.
func TestAClosedShardIsReadToItsEndWithoutRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		s.empty = map[string]int{"a": 100}
		want := s.add("a", 5)
		s.end("a")
		stop := consume(t, s, h, streampoll.Config{PollInterval: 10 * time.Second})
		time.Sleep(26 * time.Second)
		assert.Equal(t, want, h.settled())
		stop()
	})
}

// There is nothing wrong with an iterator whose answer was lost.
func TestAnIteratorOutlivesALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		want := s.add("a", 5)
		lost := 0
		s.lossy = func(op, _ string) bool { lost++; return op == "GetRecords" && lost < 5 }
		stop := consume(t, s, h, streampoll.Config{})
		time.Sleep(time.Minute)
		stop()
		assert.Equal(t, want, h.settled())
		assert.Equal(t, 1, s.count("GetShardIterator"))
	})
}

// A description that goes round in circles is no description.
func TestADescriptionThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := &faults{}
		stop := consume(t, circular{newStream("a")}, &handler{}, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		stop()
		require.NotEmpty(t, errs.all())
		assert.ErrorContains(t, errs.all()[0], "the same page came twice")
	})
}

// circular is a stream whose pages lead to each other.
type circular struct{ *stream }

func (circular) DescribeStream(_ context.Context, in *dynamodbstreams.DescribeStreamInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error) {
	next := "a"
	if awssdk.ToString(in.ExclusiveStartShardId) == next {
		next = "b"
	}
	return &dynamodbstreams.DescribeStreamOutput{StreamDescription: &types.StreamDescription{LastEvaluatedShardId: &next}}, nil
}

// One that always expires is told of.
func TestAnIteratorThatExpiresAgainIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, errs := newStream("a"), &faults{}
		s.failing(func(op, _ string) error {
			if op == "GetRecords" {
				return &types.ExpiredIteratorException{}
			}
			return nil
		})
		stop := consume(t, s, &handler{}, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		stop()
		require.NotEmpty(t, errs.all())
		assert.ErrorContains(t, errs.all()[0], "shard a: ")
	})
}

func TestAnIteratorThatExpiredIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, errs := newStream("a"), &faults{}
		h := &handler{f: func(_ context.Context, batch []change) (int, error) {
			time.Sleep(20 * time.Minute)
			return len(batch), nil
		}}
		want := s.add("a", 30)
		stop := consume(t, s, h, streampoll.Config{BatchSize: 10, ReadLimit: 10, OnError: errs.add})
		time.Sleep(2 * time.Hour)
		out := stop()
		once(t, h.settled(), want)
		assert.Empty(t, errs.all(), "it is nobody's mistake")
		assert.Zero(t, out.stats.Gaps)
	})
}

func TestAStreamThatIsNotThereEndsTheRun(t *testing.T) {
	for _, code := range []string{"ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException", "ValidationException", "InvalidSignatureException"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStream("a")
			s.failing(func(op, _ string) error {
				if op == "DescribeStream" {
					return refusal(code)
				}
				return nil
			})
			c, err := streampoll.New(s, arn, &handler{}, streampoll.Config{})
			require.NoError(t, err)
			_, err = c.Run(t.Context())
			require.ErrorContains(t, err, code)
			assert.True(t, fault.Is(err, fault.ClassFatal))
		})
	}
}

// The reads of one shard find out as well, and then no other goes on.
func TestAccessThatIsDeniedToReadsEndsTheRun(t *testing.T) {
	for _, op := range []string{"GetShardIterator", "GetRecords"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStream("a", "b")
			s.failing(func(o, shard string) error {
				if o == op && shard == "b" {
					return refusal("AccessDeniedException")
				}
				return nil
			})
			c, err := streampoll.New(s, arn, &handler{}, streampoll.Config{})
			require.NoError(t, err)
			_, err = c.Run(t.Context())
			require.ErrorContains(t, err, "AccessDenied")
			assert.True(t, fault.Is(err, fault.ClassFatal))
		})
	}
}

func TestAStreamThatIsDisabledIsReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a", "b"), &handler{}
		a, b := s.add("a", 5), s.add("b", 1500)
		s.end("a", "c")
		c := s.add("c", 2)
		s.disable()
		consumer, err := streampoll.New(s, arn, h, streampoll.Config{})
		require.NoError(t, err)
		stats, err := consumer.Run(t.Context())
		require.ErrorIs(t, err, streampoll.ErrEnded)
		once(t, h.settled(), a, b, c)
		assert.EqualValues(t, 3, stats.Finished)
	})
}
