package dir

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUnsettled: when a file is taken, by what is known of it.
func TestUnsettled(t *testing.T) {
	const settle = 10 * time.Second
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	// look is a look at a file, at a time, and what is seen; all in seconds.
	type look struct {
		at, modified int
		size         int64
		who          writers
		taken        bool
	}
	for name, c := range map[string]struct {
		minAge time.Duration
		seen   *sighting // before the first look
		looks  []look
	}{
		"old":                             {looks: []look{{at: 10, modified: 0, who: someWriter, taken: true}}},
		"young, closed":                   {looks: []look{{at: 1, who: noWriter, taken: true}}},
		"young, open, then closed":        {looks: []look{{at: 1, who: someWriter}, {at: 2, who: someWriter}, {at: 3, who: noWriter, taken: true}}},
		"open for long, without a change": {looks: []look{{at: 1, who: someWriter}, {at: 100, who: someWriter}, {at: 101, who: noWriter, taken: true}}},
		"young, nobody knows":             {looks: []look{{at: 1}, {at: 9}, {at: 10, taken: true}}},
		"growing, nobody knows": {looks: []look{
			{at: 1, size: 1, modified: 1}, {at: 9, size: 2, modified: 9}, {at: 18, size: 2, modified: 9}, {at: 19, size: 2, modified: 9, taken: true},
		}},
		"growing, by a clock that is ahead": {looks: []look{
			{at: 1, size: 1, modified: 1000}, {at: 10, size: 2, modified: 1000}, {at: 19, size: 2, modified: 1000}, {at: 20, size: 2, modified: 1000, taken: true},
		}},
		"modified without growing": {looks: []look{{at: 1, modified: 1000}, {at: 10, modified: 1001}, {at: 12, modified: 1001}, {at: 20, modified: 1001, taken: true}}},
		"seen to be closed":        {seen: &sighting{closed: true}, looks: []look{{at: 0, who: someWriter, taken: true}}},
		"seen to be created":       {seen: &sighting{}, looks: []look{{at: 1000, who: someWriter}, {at: 1001, who: noWriter, taken: true}}},
		"too young":                {minAge: 20 * time.Second, looks: []look{{at: 12}, {at: 19}, {at: 20, taken: true}}},
		"too young, closed":        {minAge: 5 * time.Second, looks: []look{{at: 1, who: noWriter}, {at: 4, who: someWriter}, {at: 5, who: someWriter, taken: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			var now look
			found := func() info { return info{size: now.size, modTime: at(now.modified), regular: true} }
			u := newUnsettled(settle, c.minAge, func(string) (info, writers, error) { return found(), now.who, nil })
			for i := range c.looks {
				now = c.looks[i]
				seen := c.seen
				if i > 0 {
					seen = nil
				}
				require.Equal(t, now.taken, u.ready("f", found(), seen, at(now.at)), "look %d", i)
				next, _ := u.wakes()
				switch {
				case !now.taken:
					require.True(t, next.After(start), "nobody comes back to it")
				case now.modified <= now.at:
					assert.Empty(t, u.files)
					assert.Zero(t, u.bytes)
				}
			}
		})
	}
}

// TestUnsettledComesBack to each file when it is due, and forgets those that
// have gone.
func TestUnsettledComesBack(t *testing.T) {
	now := time.Now()
	u := newUnsettled(time.Second, 0, nil)
	for i := range 10 {
		u.hold(fmt.Sprint(i), sighting{due: now.Add(time.Duration(i) * time.Minute)})
	}
	var due []string
	take := func(key string, _ sighting) { due = append(due, key) }
	u.due(now.Add(-time.Second), take)
	require.Empty(t, due)
	u.due(now.Add(2*time.Minute), take)
	require.ElementsMatch(t, []string{"0", "1", "2"}, due)
	next, _ := u.wakes()
	require.Equal(t, now.Add(3*time.Minute), next)

	u.begin()
	u.hold("7", sighting{due: now})
	u.end()
	require.Len(t, u.files, 1, "the others were not met")
	u.forget([]byte("7"))
	require.Zero(t, u.bytes)
}

// TestUnsettledIsBounded: what finds no room is looked for by a listing of
// everything.
func TestUnsettledIsBounded(t *testing.T) {
	now := time.Now()
	u := newUnsettled(time.Second, 0, nil)
	long := strings.Repeat("x", 4000)
	for i := range 10_000 {
		u.hold(fmt.Sprint(long, i), sighting{due: now.Add(time.Duration(i) * time.Second)})
	}
	require.LessOrEqual(t, u.bytes, maxUnsettled)
	_, over := u.wakes()
	require.Equal(t, now.Add(time.Duration(len(u.files))*time.Second), over)
	u.begin()
	_, over = u.wakes()
	require.Zero(t, over)
}

// TestUnsettledGivesUpOnErrors: the error comes again when the file is opened.
func TestUnsettledGivesUpOnErrors(t *testing.T) {
	u := newUnsettled(time.Hour, 0, func(string) (info, writers, error) { return info{}, unknownWriters, errors.New("refused") })
	require.True(t, u.ready("f", info{modTime: time.Now()}, nil, time.Now()))
}

func TestArrivals(t *testing.T) {
	a := arrivals{most: 3 * (arrivalBytes + 1)}
	for _, key := range []string{"b", "a", "b", "c"} {
		require.True(t, a.add([]byte(key)))
	}
	require.False(t, a.add([]byte("d")))
	require.Equal(t, []string{"b", "a", "c"}, a.take())
	require.True(t, a.add([]byte("d")))
	require.Equal(t, []string{"d"}, a.take())
}
