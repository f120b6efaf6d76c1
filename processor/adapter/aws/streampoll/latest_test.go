package streampoll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
)

func TestLatestBeginsWithWhatIsMadeFromThenOn(t *testing.T) {
	for _, timeless := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, h := newStream("a", "b"), &handler{}
			s.timeless = timeless
			s.add("a", 2500)
			s.end("a", "c")
			s.add("c", 10)
			time.Sleep(time.Hour)
			stop := consume(t, s, h, streampoll.Config{Latest: true})
			time.Sleep(time.Minute)
			want := [][]string{s.add("b", 5), s.add("c", 5)}
			s.end("b", "d")
			want = append(want, s.add("d", 5))
			time.Sleep(time.Minute)
			out := stop()
			once(t, h.settled(), want...)
			skipped := int64(0)
			if timeless {
				skipped = 2510
			}
			assert.Equal(t, streampoll.Stats{Received: 15 + skipped, Settled: 15, Skipped: skipped, Shards: 4, Finished: 2}, out.stats)
		})
	}
}

// The group begins once: neither a consumer that comes later nor one that died before
// its first checkpoint has the others miss anything.
func TestLatestIsDecidedOnce(t *testing.T) {
	for _, timeless := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, claims := newStream("a", "b"), memory.New()
			s.timeless = timeless
			s.add("a", 5)
			time.Sleep(time.Minute)
			stuck := &handler{f: func(ctx context.Context, _ []change) (int, error) { <-ctx.Done(); return 0, ctx.Err() }}
			stop := consume(t, s, stuck, streampoll.Config{Claims: claims, Latest: true, MaxShards: 1})
			time.Sleep(2 * time.Second)
			a, b := s.add("a", 5), s.add("b", 5)
			time.Sleep(time.Minute)
			stop()
			time.Sleep(time.Hour)
			more := s.add("b", 5)
			h := &handler{}
			stop = consume(t, s, h, streampoll.Config{Claims: claims, Latest: true})
			time.Sleep(time.Minute)
			stop()
			once(t, h.settled(), a, b, more)
			// Nor does it matter what another says later.
			h = &handler{}
			last := s.add("b", 5)
			stop = consume(t, s, h, streampoll.Config{Claims: claims})
			time.Sleep(time.Minute)
			stop()
			once(t, h.settled(), last)
		})
	}
}

// Only what comes first may be too old: the times of changes are not exact.
func TestNothingIsSkippedAfterTheFirstThatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		s.timeless = true
		s.add("a", 1)
		time.Sleep(time.Hour)
		want := s.add("a", 3)
		old := time.Now().Add(-time.Hour)
		s.shards[0].changes[2].Dynamodb.ApproximateCreationDateTime = &old
		stop := consume(t, s, h, streampoll.Config{Latest: true, ReadLimit: 2})
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, stop().stats.Skipped)
		assert.Equal(t, want, h.settled())
	})
}

// A time of which DynamoDB has no changes any more is no place to begin at.
func TestATimeThatIsTrimmedIsSkippedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		s.untimely = &types.TrimmedDataAccessException{}
		s.add("a", 2)
		time.Sleep(time.Hour)
		want := s.add("a", 3)
		stop := consume(t, s, h, streampoll.Config{Latest: true})
		time.Sleep(time.Minute)
		stop()
		assert.Equal(t, want, h.settled())
	})
}

// What is too old is settled, so that nobody reads it again.
func TestWhatIsSkippedIsNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims := newStream("a"), memory.New()
		s.timeless = true
		s.add("a", 5)
		time.Sleep(time.Hour)
		for _, want := range []int64{5, 0} {
			stop := consume(t, s, &handler{}, streampoll.Config{Claims: claims, Latest: true})
			time.Sleep(time.Minute)
			assert.Equal(t, want, stop().stats.Skipped)
			assert.Equal(t, *s.shards[0].changes[4].Dynamodb.SequenceNumber, progress(t, claims, "a"))
		}
	})
}

// A claim store may forget what nobody has claimed for long.
func TestWhereTheGroupBeganIsWrittenDownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims := newStream("a"), memory.New()
		stop := consume(t, s, &handler{}, streampoll.Config{Claims: claims, Latest: true})
		time.Sleep(time.Minute)
		stop()
		stop = consume(t, s, &handler{}, streampoll.Config{Claims: claims, Latest: true})
		time.Sleep(time.Minute)
		began := progress(t, claims, "start")
		assert.Contains(t, began, "from 2000-01-01T00:00:00Z")
		got, err := claims.Claim(t.Context(), "x", "y", []string{key("", "start")}, time.Minute)
		require.NoError(t, err)
		got[0].Lease.Progress = ""
		require.NoError(t, claims.Release(t.Context(), []claim.Return{{Lease: got[0].Lease}}))
		assert.Empty(t, progress(t, claims, "start"))
		time.Sleep(2 * time.Hour)
		assert.Equal(t, began, progress(t, claims, "start"))
		stop()
	})
}

func TestOldestBeginsWithEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		want := s.add("a", 5)
		time.Sleep(time.Hour)
		stop := consume(t, s, h, streampoll.Config{})
		time.Sleep(time.Minute)
		stop()
		assert.Equal(t, want, h.settled())
	})
}
