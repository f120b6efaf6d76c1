package source_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// shelf lists what stands on it.
type shelf struct {
	source.Source
	objects []source.Object
	err     error // ends each listing
	listed  int
}

func (s *shelf) Objects(context.Context) iter.Seq2[source.Object, error] {
	s.listed++
	return func(yield func(source.Object, error) bool) {
		for _, o := range s.objects {
			if !yield(o, nil) {
				return
			}
		}
		if s.err != nil {
			yield(source.Object{}, s.err)
		}
	}
}

func (s *shelf) put(keys ...string) {
	for _, key := range keys {
		s.objects = append(s.objects, source.Object{Key: key, Size: -1})
	}
}

func (s *shelf) remove(key string) {
	s.objects = slices.DeleteFunc(s.objects, func(o source.Object) bool { return o.Key == key })
}

// knowing is a shelf that knows whether something was put on it.
type knowing struct {
	*shelf
	more bool
}

func (k *knowing) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	return k.Objects(ctx), func() bool { return k.more }
}

// told returns the keys that c lists.
func told(t *testing.T, c source.Changes, all bool) (keys []string) {
	t.Helper()
	for o, err := range c.Objects(t.Context(), all) {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	return keys
}

func TestPollTellsWhatIsNew(t *testing.T) {
	s := &shelf{}
	s.put("a", "b")
	c := source.Poll(s)
	assert.Equal(t, []string{"a", "b"}, told(t, c, false))
	assert.Empty(t, told(t, c, false))
	s.put("c")
	assert.Equal(t, []string{"c"}, told(t, c, false))
	s.put("d")
	assert.Equal(t, []string{"a", "b", "c", "d"}, told(t, c, true))
	assert.Empty(t, told(t, c, false))
	s.remove("a")
	assert.Empty(t, told(t, c, false))
	s.put("a")
	assert.Equal(t, []string{"a"}, told(t, c, false), "it was away in between")
	s.objects[0].Version = "2"
	assert.Equal(t, []string{"b"}, told(t, c, false), "another content")
}

// What a listing yielded that did not come to its end is yielded again.
func TestPollLosesNothingOfABrokenListing(t *testing.T) {
	for name, fail := range map[string]func(t *testing.T, s *shelf, c source.Changes){
		"broken off": func(_ *testing.T, _ *shelf, c source.Changes) {
			for range c.Objects(context.Background(), false) {
				break
			}
		},
		"failed": func(t *testing.T, s *shelf, c source.Changes) {
			s.err = errors.New("connection reset")
			var err error
			for _, err = range c.Objects(context.Background(), false) {
			}
			require.ErrorIs(t, err, s.err)
			s.err = nil
		},
		"stopped": func(t *testing.T, _ *shelf, c source.Changes) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for range c.Objects(ctx, false) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{}
			s.put("a")
			c := source.Poll(s)
			assert.Equal(t, []string{"a"}, told(t, c, false))
			s.put("b", "c")
			fail(t, s, c)
			assert.Subset(t, told(t, c, false), []string{"b", "c"})
		})
	}
}

func TestPollAsksARelister(t *testing.T) {
	s := &knowing{shelf: &shelf{}}
	s.put("a")
	c := source.Poll(s)
	assert.Equal(t, []string{"a"}, told(t, c, false))
	assert.Empty(t, told(t, c, false))
	assert.Equal(t, 1, s.listed, "it knows that there is nothing new")
	s.more = true
	s.put("b")
	assert.Equal(t, []string{"b"}, told(t, c, false))
	s.more = false
	assert.Equal(t, []string{"a", "b"}, told(t, c, true), "all is all")
}

// Memory is bounded, and what is not remembered is told again.
func TestPollForgetsRatherThanGrow(t *testing.T) {
	s := &shelf{}
	for i := range 100 {
		s.put(fmt.Sprint(i))
	}
	c := source.PollAtMost(s, 60)
	assert.Len(t, told(t, c, false), 100)
	assert.Len(t, told(t, c, false), 40)
	assert.Len(t, told(t, c, true), 100)
}

func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := source.Poll(&shelf{})
		began := time.Now()
		c.Wait(t.Context(), time.Minute)
		assert.Equal(t, time.Minute, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Wait(ctx, time.Minute)
		assert.Equal(t, time.Minute+time.Second, time.Since(began))
		require.NoError(t, c.Close())
	})
}

// dated is a source whose objects have times of their own.
type dated struct {
	source.Source
	at time.Time
}

func (d dated) Date(o source.Object) (time.Time, bool) { return d.at, o.Key == "dated" }

// decoding is a source that decodes another one.
type decoding struct {
	source.Source
	stored source.Source
}

func (d decoding) Stored() source.Source { return d.stored }

func TestDateOf(t *testing.T) {
	at, modified := time.Unix(100, 0), time.Unix(200, 0)
	d := dated{&shelf{}, at}
	for name, src := range map[string]source.Source{"told": d, "told by what is decoded": decoding{&shelf{}, d}} {
		assert.Equal(t, at, source.DateOf(src, source.Object{Key: "dated", ModTime: modified}), name)
		assert.Equal(t, modified, source.DateOf(src, source.Object{Key: "other", ModTime: modified}), name)
	}
	assert.Equal(t, modified, source.DateOf(&shelf{}, source.Object{Key: "dated", ModTime: modified}))
}
