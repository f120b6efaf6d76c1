package streampoll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
)

// slowly handles a batch in a minute.
func slowly(_ context.Context, batch []change) (int, error) {
	time.Sleep(time.Minute)
	return len(batch), nil
}

// What was trimmed while nobody read is told of, once, and the rest is read.
func TestTrimmedChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h, claims, errs := newStream("a"), &handler{}, memory.New(), &faults{}
		first := s.add("a", 10)
		cfg := streampoll.Config{Claims: claims, OnError: errs.add}
		stop := consume(t, s, h, cfg)
		time.Sleep(time.Minute)
		stop()
		second := s.add("a", 20)
		s.trim("a", 15) // the 10 that are settled, and 5
		stop = consume(t, s, h, cfg)
		time.Sleep(time.Minute)
		out := stop()
		once(t, h.settled(), first, second[5:])
		assert.EqualValues(t, 1, out.stats.Gaps)
		require.Len(t, errs.all(), 1)
		require.ErrorIs(t, errs.all()[0], streampoll.ErrGap)
		assert.ErrorContains(t, errs.all()[0], "after 100000000000000000010")
		stop = consume(t, s, h, cfg)
		time.Sleep(time.Minute)
		assert.Zero(t, stop().stats.Gaps, "it is told once")
	})
}

func TestChangesThatAreTrimmedWhileTheShardIsReadAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, errs := newStream("a"), &faults{}
		h := &handler{f: slowly}
		want := s.add("a", 40)
		stop := consume(t, s, h, streampoll.Config{BatchSize: 10, ReadLimit: 10, OnError: errs.add})
		time.Sleep(30 * time.Second)
		s.trim("a", 25)
		time.Sleep(time.Hour)
		out := stop()
		once(t, h.settled(), want[:10], want[25:])
		assert.EqualValues(t, 1, out.stats.Gaps)
		assert.Equal(t, 1, errs.gaps())
	})
}

// Nor is it different where the shard was empty before.
func TestTheFirstChangesOfAShardAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h, errs := newStream("a"), &handler{}, &faults{}
		stop := consume(t, s, h, streampoll.Config{PollInterval: 10 * time.Minute, OnError: errs.add})
		time.Sleep(time.Minute)
		want := s.add("a", 5)
		s.trim("a", 3)
		time.Sleep(time.Hour)
		out := stop()
		assert.Equal(t, want[3:], h.settled())
		assert.EqualValues(t, 1, out.stats.Gaps)
		require.NotEmpty(t, errs.all())
		assert.ErrorContains(t, errs.all()[0], "from its beginning")
	})
}

// Who begins with the oldest change does not miss those before.
func TestWhatWasTrimmedBeforeIsNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h, errs := newStream("a"), &handler{}, &faults{}
		want := s.add("a", 40)
		s.trim("a", 10)
		trimmed := false
		s.fault = func(op, _ string) error { // under its lock: between iterator and read, once
			if op == "GetRecords" && !trimmed {
				trimmed = true
				s.shards[0].trimmed = 20
			}
			return nil
		}
		stop := consume(t, s, h, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		out := stop()
		once(t, h.settled(), want[20:])
		assert.Zero(t, out.stats.Gaps)
		assert.Zero(t, errs.gaps())
	})
}

func TestAShardThatVanishedWhileItWasReadIsTold(t *testing.T) {
	for _, op := range []string{"GetShardIterator", "GetRecords"} {
		synctest.Test(t, func(t *testing.T) {
			s, errs := newStream("a"), &faults{}
			h := &handler{f: func(ctx context.Context, batch []change) (int, error) {
				if op == "GetShardIterator" {
					time.Sleep(20 * time.Minute) // and the iterator has expired
				}
				return slowly(ctx, batch)
			}}
			want := s.add("a", 20)
			s.end("a", "b")
			want = append(want[:10:10], s.add("b", 10)...)
			stop := consume(t, s, h, streampoll.Config{BatchSize: 10, ReadLimit: 10, OnError: errs.add})
			time.Sleep(30 * time.Second)
			s.remove("a")
			time.Sleep(time.Hour)
			out := stop()
			assert.Equal(t, want, h.settled(), "its child is read all the same")
			assert.EqualValues(t, 1, out.stats.Gaps)
			assert.Equal(t, 1, errs.gaps())
			assert.EqualValues(t, 1, out.stats.Finished)
		})
	}
}

// A shard that is said not to be there, and is, is asked for again.
func TestAShardThatIsListedIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		want := s.add("a", 20)
		n := 0
		s.fault = func(op, _ string) error {
			if n++; (op == "GetRecords" || op == "GetShardIterator") && n%3 == 0 && n < 30 {
				return refusal("ResourceNotFoundException")
			}
			return nil
		}
		stop := consume(t, s, h, streampoll.Config{BatchSize: 2, ReadLimit: 2})
		time.Sleep(10 * time.Minute)
		out := stop()
		assert.Equal(t, want, h.settled())
		assert.Zero(t, out.stats.Gaps)
		assert.NoError(t, out.err)
	})
}

func TestAStreamThatGoesAwayEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		c, err := streampoll.New(s, arn, &handler{}, streampoll.Config{ScanInterval: time.Hour})
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() {
			s.failing(func(string, string) error { return refusal("ResourceNotFoundException") })
		})
		began := time.Now()
		_, err = c.Run(t.Context())
		require.ErrorContains(t, err, "ResourceNotFound")
		assert.Less(t, time.Since(began), 2*time.Minute)
	})
}

// A group that was away for days comes back to shards it knows nothing of.
func TestAGroupThatWasAwayForTooLongIsTold(t *testing.T) {
	for _, known := range []bool{false, true} { // the shard that is gone was begun with
		synctest.Test(t, func(t *testing.T) {
			s, h, claims, errs := newStream("a", "z"), &handler{}, memory.New(), &faults{}
			cfg := streampoll.Config{Claims: claims, OnError: errs.add}
			want := [][]string{s.add("a", 5)}
			stop := consume(t, s, h, cfg)
			time.Sleep(time.Minute)
			stop()
			s.end("a", "b")
			s.end("b", "c")
			s.end("c", "d")
			want = append(want, s.add("d", 5))
			s.remove("b")
			if !known {
				s.remove("c")
			}
			s.remove("a")
			stop = consume(t, s, h, cfg)
			time.Sleep(time.Minute)
			out := stop()
			once(t, h.settled(), want...)
			assert.EqualValues(t, 1, out.stats.Gaps)
			assert.Equal(t, 1, errs.gaps())
			stop = consume(t, s, h, cfg)
			time.Sleep(time.Minute)
			assert.Zero(t, stop().stats.Gaps, "it is told once")
		})
	}
}

// Shards that were finished may go, and those from before the group began are none of
// its business.
func TestShardsThatAreGoneInDueTimeAreNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h, claims, errs := newStream("old"), &handler{}, memory.New(), &faults{}
		cfg := streampoll.Config{Claims: claims, OnError: errs.add}
		s.end("old", "a")
		s.remove("old")
		want := [][]string{s.add("a", 5)}
		stop := consume(t, s, h, cfg)
		time.Sleep(time.Minute)
		s.end("a", "b")
		want = append(want, s.add("b", 5))
		time.Sleep(time.Minute)
		s.remove("a")
		time.Sleep(time.Minute)
		out := stop()
		want = append(want, s.add("b", 5))
		stop = consume(t, s, h, cfg)
		time.Sleep(time.Minute)
		again := stop()
		once(t, h.settled(), want...)
		assert.Zero(t, out.stats.Gaps+again.stats.Gaps)
		assert.Empty(t, errs.all())
	})
}

// A shard that another consumer still works on is not given up because it is not
// listed any more: its children wait.
func TestAShardThatSomebodyHoldsIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims, errs := newStream("a"), memory.New(), &faults{}
		h := &handler{f: slowly}
		want := s.add("a", 5)
		first := consume(t, s, h, streampoll.Config{Claims: claims, MaxShards: 1})
		time.Sleep(time.Second)
		s.end("a", "b")
		want = append(want, s.add("b", 5)...)
		s.remove("a")
		second := consume(t, s, h, streampoll.Config{Claims: claims, OnError: errs.add})
		time.Sleep(30 * time.Second)
		assert.Empty(t, h.settled())
		time.Sleep(10 * time.Minute)
		second()
		out := first()
		assert.Equal(t, want, h.settled())
		assert.Empty(t, h.mistakes())
		assert.Zero(t, errs.gaps())
		assert.EqualValues(t, 1, out.stats.Gaps, "told by who had it: nobody knows what came after the five")
	})
}
