package bytime_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/bytime"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const layout = "2006-01-02T15-04-05.000"

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(_ testing.TB, files map[string]string) sourcetest.Fixture {
		m := sourcetest.NewMemory(files)
		return sourcetest.Fixture{
			Source: ordered(t, m, bytime.Config{Layout: layout}),
			Write:  func(key, content string) error { m.Put(key, []byte(content)); return nil },
			Remove: func(key string) error { m.Delete(key); return nil },
		}
	})
}

func ordered(t testing.TB, src source.Source, cfg bytime.Config) source.Source {
	t.Helper()
	s, err := bytime.New(src, cfg)
	require.NoError(t, err)
	return s
}

// keys returns what is listed.
func keys(t testing.TB, objects iter.Seq2[source.Object, error]) (keys []string) {
	t.Helper()
	for o, err := range objects {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	return keys
}

func TestOrder(t *testing.T) {
	names := []string{
		"z/2026-11-22T10-00-00.001-a.json",
		"y/2026-11-22T10-00-00.002.json",
		"a/2026-11-22T10-00-00.003.json",
		"b/2026-11-22T10-00-00.003.json",
		"2026-11-22T10-00-01.000",
	}
	undated := []string{"a/none.json", "readme.md"}
	files := map[string]string{}
	for _, name := range append(slices.Clone(names), undated...) {
		files[name] = "{}"
	}
	m := sourcetest.NewMemory(files)
	newest := []string{names[4], names[2], names[3], names[1], names[0]}
	for window := range 8 {
		cfg := bytime.Config{Layout: layout, Window: window}
		assert.Equal(t, append(slices.Clone(names), undated...), keys(t, ordered(t, m, cfg).Objects(t.Context())))
		cfg.Order = bytime.NewestFirst
		assert.Equal(t, append(slices.Clone(newest), undated...), keys(t, ordered(t, m, cfg).Objects(t.Context())))
	}
}

// However many windows a listing takes, it is the sorted one.
func TestOrderOfMany(t *testing.T) {
	const n = 5000
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("%d/%d.json", rand.IntN(7), 1_700_000_000_000+i)] = ""
	}
	src := &counted{Source: sourcetest.NewMemory(files)}
	s := ordered(t, src, bytime.Config{Layout: "unixmilli", Window: 999})
	got := keys(t, s.Objects(t.Context()))
	require.Len(t, got, n)
	for i, key := range got {
		require.True(t, strings.HasSuffix(key, fmt.Sprintf("/%d.json", 1_700_000_000_000+i)), key)
	}
	assert.Equal(t, 6, src.listings, "one for each window")
}

type counted struct {
	source.Source
	listings int
}

func (c *counted) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	c.listings++
	return c.Source.Objects(ctx)
}

func TestTimesInNames(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, c := range []struct {
		cfg  bytime.Config
		key  string
		want string // RFC 3339, empty for none
	}{
		{bytime.Config{Layout: layout}, "a/b/2026-11-22T10-00-00.250-x.json", "2026-11-22T10:00:00.25Z"},
		{bytime.Config{Layout: layout}, "2026-11-22T10-00-00.250", "2026-11-22T10:00:00.25Z"},
		{bytime.Config{Layout: layout}, "2026-11-22T10-00-00.25", ""},
		{bytime.Config{Layout: layout}, "2026-11-22T10-00-00.25x.json", ""},
		{bytime.Config{Layout: layout}, "2026-13-22T10-00-00.250", ""},
		{bytime.Config{Layout: layout, Prefix: "feed-"}, "feed-2026-11-22T10-00-00.250", "2026-11-22T10:00:00.25Z"},
		{bytime.Config{Layout: layout, Prefix: "feed-"}, "2026-11-22T10-00-00.250", ""},
		{bytime.Config{Layout: layout, Location: berlin}, "2026-11-22T10-00-00.250", "2026-11-22T09:00:00.25Z"},
		{bytime.Config{Layout: "2006/01/02/15/04-05"}, "raw/2026/11/22/10/30-59.json", "2026-11-22T10:30:59Z"},
		{bytime.Config{Layout: "2006/01/02/15/04-05"}, "11/22/10/30-59.json", ""},
		{bytime.Config{Layout: "unix"}, "a/1795341600.json", "2026-11-22T10:00:00Z"},
		{bytime.Config{Layout: "unixmilli"}, "1795341600250", "2026-11-22T10:00:00.25Z"},
		{bytime.Config{Layout: "unixmicro"}, "1795341600250000-1", "2026-11-22T10:00:00.25Z"},
		{bytime.Config{Layout: "unixnano"}, "1795341600250000000.json", "2026-11-22T10:00:00.25Z"},
		{bytime.Config{Layout: "unixnano"}, "99999999999999999999.json", ""},
		{bytime.Config{Layout: "unix"}, "x.json", ""},
		{bytime.Config{Layout: "unix"}, "", ""},
	} {
		s := ordered(t, sourcetest.NewMemory(nil), c.cfg)
		at, ok := s.(source.Dater).Date(source.Object{Key: c.key})
		got := ""
		if ok {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		assert.Equal(t, c.want, got, "%s of %s", c.cfg.Layout, c.key)
	}
}

func TestMistakesAreNamedAtOnce(t *testing.T) {
	for _, layout := range []string{"", "feed", "January 2006", "2006-1-2", "15:04:05.999", "2006-01-02 MST", "_2/01/2006 3PM"} {
		_, err := bytime.New(sourcetest.NewMemory(nil), bytime.Config{Layout: layout})
		require.ErrorContains(t, err, "Config.Layout", layout)
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
	_, err := bytime.New(nil, bytime.Config{Order: "random", Window: -1})
	for _, what := range []string{"no source", "Layout", "Order", "Window"} {
		require.ErrorContains(t, err, what)
	}
}

// What the source behind can do besides listing is passed on, and nothing else.
func TestPartsOfTheSourceBehind(t *testing.T) {
	folder, err := dir.Open(t.TempDir(), dir.Config{})
	require.NoError(t, err)
	defer func() { _ = folder.Close() }()
	cfg := bytime.Config{Layout: layout}
	assert.Implements(t, (*source.Mover)(nil), ordered(t, folder, cfg))
	assert.Implements(t, (*source.Remover)(nil), ordered(t, struct {
		source.Source
		source.Remover
	}{folder, folder}, cfg))
	plain := ordered(t, struct{ source.Source }{folder}, cfg)
	_, ok := plain.(source.Remover)
	assert.False(t, ok)

	m := sourcetest.NewMemory(map[string]string{"a": "text"})
	for _, s := range []source.Source{ordered(t, m, cfg), ordered(t, struct{ source.Source }{m}, cfg)} {
		data, _, err := s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: "a", Size: -1}, nil, 100)
		if err == nil {
			assert.Equal(t, "text", string(data))
		} else {
			assert.ErrorIs(t, err, source.ErrTooLarge)
		}
	}
	_, _, err = ordered(t, m, cfg).(source.SmallReader).ReadObject(t.Context(), source.Object{Key: "b"}, nil, 100)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// telling is a source whose Changes are given.
type telling struct {
	source.Source
	rounds [][]string
	err    error // after the first round
}

func (s *telling) Watch(context.Context) (source.Changes, error) { return &told{telling: s}, nil }

type told struct {
	*telling
	broken bool
}

func (c *told) Objects(context.Context, bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		if len(c.rounds) == 0 {
			return
		}
		for _, key := range c.rounds[0] {
			if !yield(source.Object{Key: key, Size: -1}, nil) {
				c.broken = true
				return
			}
		}
		if c.err != nil {
			yield(source.Object{}, c.err)
			return
		}
		c.rounds = c.rounds[1:]
	}
}

func (*told) Wait(context.Context, time.Duration) {}
func (*told) Close() error                        { return nil }

func TestWatchInOrder(t *testing.T) {
	src := &telling{Source: sourcetest.NewMemory(nil), rounds: [][]string{{"3", "1", "2"}, {"9", "8", "7", "6", "5"}}}
	s := ordered(t, src, bytime.Config{Layout: "unix", Window: 3})
	c, err := s.(source.Watcher).Watch(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "2", "3"}, keys(t, c.Objects(t.Context(), false)))
	assert.Equal(t, []string{"7", "8", "9", "5", "6"}, keys(t, c.Objects(t.Context(), false)), "by portions")
	require.NoError(t, c.Close())
}

// Whoever breaks a listing off meets the rest in the next one, whether the
// source behind had come to its end or not.
func TestWatchLosesNothing(t *testing.T) {
	all := []string{"5", "3", "1", "2", "4"}
	for window := 1; window <= 6; window++ {
		for taken := range all {
			src := &telling{Source: sourcetest.NewMemory(nil), rounds: [][]string{all}}
			s := ordered(t, src, bytime.Config{Layout: "unix", Window: window})
			c, err := s.(source.Watcher).Watch(t.Context())
			require.NoError(t, err)
			seen := map[string]bool{}
			n := 0
			for o := range c.Objects(t.Context(), false) {
				if n == taken {
					break // not taken
				}
				seen[o.Key] = true
				n++
			}
			for _, key := range keys(t, c.Objects(t.Context(), false)) {
				seen[key] = true
			}
			assert.Len(t, seen, len(all), "window %d, %d taken", window, taken)
		}
	}
	src := &telling{Source: sourcetest.NewMemory(nil), rounds: [][]string{all}, err: errors.New("reset")}
	s := ordered(t, src, bytime.Config{Layout: "unix"})
	c, err := s.(source.Watcher).Watch(t.Context())
	require.NoError(t, err)
	var last error
	for _, last = range c.Objects(t.Context(), false) {
	}
	require.ErrorIs(t, last, src.err)
}

// A source that tells nothing is polled, in order.
func TestWatchOfAnySource(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"a/2": "", "b/1": ""})
	s := ordered(t, struct{ source.Source }{m}, bytime.Config{Layout: "unix"})
	c, err := s.(source.Watcher).Watch(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"b/1", "a/2"}, keys(t, c.Objects(t.Context(), false)))
	m.Put("z/0", nil)
	assert.Equal(t, []string{"z/0"}, keys(t, c.Objects(t.Context(), false)))
	require.NoError(t, c.Close())
}

// The listing that ended before something was added says so.
func TestListTellsWhetherThereIsMore(t *testing.T) {
	s := ordered(t, sourcetest.NewMemory(nil), bytime.Config{Layout: "unix"})
	objects, more := s.(source.Relister).List(t.Context())
	assert.Empty(t, keys(t, objects))
	assert.True(t, more(), "the source behind cannot tell")

	k := &knowing{Source: sourcetest.NewMemory(map[string]string{"1": "", "2": "", "3": ""})}
	s = ordered(t, k, bytime.Config{Layout: "unix", Window: 2})
	objects, more = s.(source.Relister).List(t.Context())
	assert.Len(t, keys(t, objects), 3)
	assert.True(t, more(), "since the first of two listings something was added")
	assert.Equal(t, 2, k.listed)
}

// knowing is a source that knew of something more after its first listing only.
type knowing struct {
	source.Source
	listed int
}

func (k *knowing) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	k.listed++
	n := k.listed
	return k.Objects(ctx), func() bool { return n == 1 }
}
