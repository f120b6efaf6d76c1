package s3_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

func watch(t testing.TB, s *s3.Source) source.Changes {
	t.Helper()
	c, err := s.Watch(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// changes lists what appeared.
func changes(t testing.TB, c source.Changes, all bool) []string {
	t.Helper()
	var got []string
	for o, err := range c.Objects(t.Context(), all) {
		require.NoError(t, err)
		got = append(got, o.Key)
	}
	return got
}

var minuteAndHour = s3.Config{Growing: s3.Growing{On: true, Overlap: time.Minute, FullEvery: time.Hour}}

func TestGrowingKeysAreListedFromWhereTheyEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{pageSize: 10}
		numbered(f, 100)
		c := watch(t, open(t, f, minuteAndHour))
		assert.Len(t, changes(t, c, false), 100)
		time.Sleep(time.Minute)
		assert.Len(t, changes(t, c, false), 100, "who is overtaken by a minute is seen")
		f.requests("ListObjectsV2")

		f.put("in/folder-1/a", "{}")
		assert.Equal(t, []string{"folder-1/a"}, changes(t, c, false))
		requests := f.requests("ListObjectsV2")
		require.Len(t, requests, 1)
		assert.Equal(t, "in/folder-0/object-00099.json", requests[0].URL.Query().Get("start-after"))

		f.put("in/folder-0/late", "{}")
		assert.Equal(t, []string{"folder-1/a"}, changes(t, c, false), "smaller than what was there a minute ago")
		time.Sleep(time.Hour)
		assert.Contains(t, changes(t, c, false), "folder-0/late", "the full listing has it")
		assert.Len(t, changes(t, c, true), 102, "who asks for all gets all")
	})
}

func TestAListingThatFailedOrWasBrokenOffMovesNothingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{pageSize: 10}
		numbered(f, 100)
		c := watch(t, open(t, f, minuteAndHour))
		for range c.Objects(t.Context(), false) {
			break
		}
		assert.Len(t, changes(t, c, false), 100)
		f.fail = func(r *http.Request) *http.Response { return refusal(r, 503, "SlowDown") }
		for range 3 {
			time.Sleep(time.Minute)
			for _, err := range c.Objects(t.Context(), false) {
				require.Error(t, err)
			}
		}
		f.fail = nil
		f.put("in/folder-0/a", "{}")
		assert.Contains(t, changes(t, c, false), "folder-0/a")
	})
}

func TestWhatIsTooYoungIsListedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		cfg := minuteAndHour
		cfg.MinAge = 10 * time.Minute
		c := watch(t, open(t, f, cfg))
		f.put("in/a", "{}")
		time.Sleep(5 * time.Minute)
		f.put("in/b", "{}")
		time.Sleep(5 * time.Minute)
		assert.Equal(t, []string{"a"}, changes(t, c, false))
		f.put("in/c", "{}") // younger still
		for range 3 {
			time.Sleep(90 * time.Second)
			assert.NotContains(t, changes(t, c, false), "b")
		}
		time.Sleep(30 * time.Second)
		assert.Equal(t, []string{"b"}, changes(t, c, false))
	})
}

func TestGrowingAcrossPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		cfg := minuteAndHour
		cfg.Partitions = s3.Partitions{Layout: "2006-01-02/15", LookBack: 24 * time.Hour}
		c := watch(t, open(t, f, cfg))
		time.Sleep(30 * time.Minute)
		f.put("in/2000-01-01/00/x", "{}")
		assert.Equal(t, []string{"2000-01-01/00/x"}, changes(t, c, false))
		for range 2 {
			time.Sleep(2 * time.Minute)
			changes(t, c, false)
		}
		f.prefixes()
		f.put("in/2000-01-01/01/y", "{}")
		assert.Equal(t, []string{"2000-01-01/01/y"}, changes(t, c, false))
		assert.Equal(t, []string{"2000-01-01/00/", "2000-01-01/01/"}, f.prefixes(), "none of the hours before")
	})
}

// However late objects come, and whenever is listed: a key that is overtaken by
// no more than the overlap is in the next listing, any other in the next full
// one.
func TestNoLateObjectIsLost(t *testing.T) {
	const step = 20 * time.Second // between keys, but for delays
	rapid.Check(t, func(r *rapid.T) {
		overlap := time.Duration(rapid.IntRange(1, 400).Draw(r, "overlap")) * time.Second
		type arrival struct {
			key  string
			at   time.Duration
			late bool
		}
		var arrivals []arrival
		for i := range rapid.IntRange(1, 40).Draw(r, "objects") {
			by := time.Duration(rapid.IntRange(0, 500).Draw(r, "late")) * time.Second
			arrivals = append(arrivals, arrival{fmt.Sprintf("%04d", i), time.Duration(i)*step + by, by > overlap})
		}
		slices.SortStableFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
		polls := rapid.SliceOfN(rapid.IntRange(1, 500), 1, 60).Draw(r, "polls")

		synctest.Test(t, func(t *testing.T) {
			f := &fake{pageSize: 7}
			c := watch(t, open(t, f, s3.Config{Growing: s3.Growing{On: true, Overlap: overlap, FullEvery: time.Hour}}))
			start, missing := time.Now(), map[string]bool{} // key: late
			list := func() {
				for len(arrivals) > 0 && arrivals[0].at <= time.Since(start) {
					f.put("in/"+arrivals[0].key, "{}")
					missing[arrivals[0].key] = arrivals[0].late
					arrivals = arrivals[1:]
				}
				for _, key := range changes(t, c, false) {
					delete(missing, key)
				}
				for key, late := range missing {
					if !late {
						t.Errorf("%s is not in the listing after it came", key)
					}
				}
			}
			for _, p := range polls {
				time.Sleep(time.Duration(p) * time.Second)
				list()
			}
			time.Sleep(2 * time.Hour)
			list()
			if len(missing) > 0 {
				t.Errorf("never listed: %v", missing)
			}
		})
	})
}

func TestWithoutGrowingKeysEachListingTellsWhatIsNew(t *testing.T) {
	f := &fake{pageSize: 10}
	want := numbered(f, 100)
	c := watch(t, open(t, f, s3.Config{}))
	assert.Equal(t, want, changes(t, c, false))
	assert.Empty(t, changes(t, c, false))
	f.put("in/a", "{}")
	f.put("in/folder-0/object-00007.json", "{2}")
	assert.Equal(t, []string{"a", "folder-0/object-00007.json"}, changes(t, c, false))
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := watch(t, open(t, &fake{}, minuteAndHour))
		start := time.Now()
		c.Wait(t.Context(), time.Second)
		assert.Equal(t, time.Second, time.Since(start))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c.Wait(ctx, time.Hour)
		assert.Equal(t, time.Second, time.Since(start))
		_, err := open(t, &fake{}, minuteAndHour).Watch(ctx)
		assert.ErrorIs(t, err, context.Canceled)
	})
}
