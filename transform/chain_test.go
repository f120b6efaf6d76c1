package transform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// words emits each word of the record.
var words = Func(func(_ context.Context, rec source.Record, out *Output) error {
	for w := range strings.FieldsSeq(string(rec.Data)) {
		out.Emit([]byte(w))
	}
	return nil
})

// tag appends a tag, with the record's origin, to each record.
func tag(name string) Transform {
	return Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
		return fmt.Appendf(dst, "%s+%s@%s:%d", rec.Data, name, rec.Object.Key, rec.Offset), nil
	})
}

// failOn returns err for the record data, after writing half of something.
func failOn(data string, err error) Transform {
	return Func(func(_ context.Context, rec source.Record, out *Output) error {
		out.Emit(rec.Data)
		if string(rec.Data) == data {
			out.WriteString("half of ")
			return err
		}
		return nil
	})
}

func values(out *Output) (all []string) {
	for i := range out.Len() {
		all = append(all, string(out.Value(i)))
	}
	return all
}

func TestChainKeepsOriginAndOrder(t *testing.T) {
	var out Output
	c := Chain(words, tag("1"), nil, Chain(tag("2"), words))
	rec := source.Record{Data: []byte("a b"), Object: &source.Object{Key: "k"}, Offset: 7}
	require.NoError(t, c.Apply(t.Context(), rec, &out))
	assert.Equal(t, []string{"a+1@k:7+2@k:7", "b+1@k:7+2@k:7"}, values(&out))
}

func TestChainOfNothingPasses(t *testing.T) {
	var out Output
	require.NoError(t, Chain().Apply(t.Context(), source.Record{Data: []byte("a")}, &out))
	assert.Equal(t, []string{"a"}, values(&out))
}

func TestChainRollsBackAsAWhole(t *testing.T) {
	oops := fault.Corruptf("oops")
	for _, c := range []Transform{
		Chain(words, failOn("b", oops)),
		Chain(words, failOn("b", oops), words),
		Chain(failOn("a b c", oops), words),
		Chain(words, words, words, failOn("c", oops)),
	} {
		var out Output
		out.Emit([]byte("before"))
		err := c.Apply(t.Context(), source.Record{Data: []byte("a b c")}, &out)
		assert.ErrorIs(t, err, oops)
		assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
		assert.Equal(t, []string{"before"}, values(&out))
		assert.Equal(t, len("before"), out.Size())
		require.NoError(t, c.Apply(t.Context(), source.Record{Data: []byte("d")}, &out))
		assert.Equal(t, []string{"before", "d"}, values(&out), "nothing of the failed record is left in between")
	}
}

// What the first stage ended before its remainder goes all the way.
func TestChainPartialRetryOfTheFirstStage(t *testing.T) {
	first := Func(func(_ context.Context, _ source.Record, out *Output) error {
		out.Emit([]byte("done"))
		out.WriteString("half")
		return fault.PartialRetry([]byte("rest"), errors.New("away"))
	})
	var out Output
	err := Chain(first, words, words).Apply(t.Context(), source.Record{Data: []byte("x")}, &out)
	p, ok := errors.AsType[*fault.Partial](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "rest", string(p.Remainder))
	assert.Equal(t, []string{"done"}, values(&out))
	assert.Equal(t, len("done"), out.Size())

	out.Reset()
	err = Chain(first, failOn("done", fault.Corruptf("oops"))).Apply(t.Context(), source.Record{Data: []byte("x")}, &out)
	_, ok = errors.AsType[*fault.Partial](err)
	assert.False(t, ok, "the whole record failed")
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
	assert.Zero(t, out.Size())
}

// The remainder of a later stage is no record for the chain: all is retried.
func TestChainPartialRetryOfALaterStage(t *testing.T) {
	for _, cause := range []error{errors.New("away"), nil} {
		var out Output
		err := Chain(words, failOn("b", fault.PartialRetry([]byte("rest"), cause))).Apply(t.Context(), source.Record{Data: []byte("a b")}, &out)
		require.Error(t, err)
		_, ok := errors.AsType[*fault.Partial](err)
		assert.False(t, ok)
		assert.Equal(t, fault.ClassRetryable, fault.Of(err))
		if cause != nil {
			assert.ErrorIs(t, err, cause)
		}
		assert.Zero(t, out.Size())
	}
}

func TestChainRefusesEmptyValues(t *testing.T) {
	empty := Map(func(context.Context, []byte, source.Record) ([]byte, error) { return nil, nil })
	err := Chain(empty, words).Apply(t.Context(), source.Record{Data: []byte("a")}, new(Output))
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
}

// A chain may apply itself: no two calls share what is between their stages.
func TestChainIsReentrantAndConcurrent(t *testing.T) {
	var c Transform
	c = Chain(words, Func(func(ctx context.Context, rec source.Record, out *Output) error {
		if n := len(rec.Data); n > 1 {
			rec.Data = []byte(strings.Repeat(string(rec.Data[1:])+" ", 2))
			if err := c.Apply(ctx, rec, out); err != nil {
				return err
			}
		}
		out.Emit(rec.Data[:1])
		return nil
	}))
	want := []string{"c", "c", "c", "c", "c", "c", "b"}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				var out Output
				assert.NoError(t, c.Apply(t.Context(), source.Record{Data: []byte("abc")}, &out))
				assert.Equal(t, want, values(&out))
			}
		})
	}
	wg.Wait()
}

// validity records what its records claim to be.
func validity(seen *[]bool) Transform {
	return Func(func(_ context.Context, rec source.Record, out *Output) error {
		*seen = append(*seen, rec.Valid)
		out.Emit(rec.Data)
		return nil
	})
}

func TestChainKnowsWhatIsValid(t *testing.T) {
	keep := Filter(func(source.Record) bool { return true })
	pass := Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
		return append(dst, rec.Data...), nil
	})
	for _, c := range []struct {
		name  string
		stage Transform
		in    bool
		want  bool
	}{
		{"a filter keeps it", keep, true, true},
		{"a filter does not make it", keep, false, false},
		{"a function may break it", pass, true, false},
		{"validation makes it", Validate{}, false, true},
		{"projection makes it", MustProject("a"), false, true},
		{"a preamble taken off keeps it", StripPreamble{}, true, true},
		{"a preamble taken off does not make it", StripPreamble{}, false, false},
	} {
		var seen []bool
		require.NoError(t, Chain(c.stage, validity(&seen)).Apply(t.Context(), source.Record{Data: []byte("{}"), Valid: c.in}, new(Output)))
		assert.Equal(t, []bool{c.want}, seen, c.name)
	}
}

func TestChainHasTheAbilitiesOfItsStages(t *testing.T) {
	preamble := func(tr Transform) source.Preamble {
		if p, ok := tr.(Preambler); ok {
			return p.Preamble()
		}
		return nil
	}
	assert.Equal(t, StripPreamble{}, preamble(StripPreamble{}))
	assert.Equal(t, StripPreamble{}, preamble(Chain(StripPreamble{}, words)))
	assert.Equal(t, StripPreamble{}, preamble(Chain(Chain(StripPreamble{}), MustProject("a"))))
	assert.Nil(t, preamble(Chain(words, StripPreamble{})))
	assert.Nil(t, preamble(Chain()))

	emits := func(tr Transform) bool { e, ok := tr.(EmitsJSON); return ok && e.EmitsJSON() }
	assert.True(t, emits(Chain(StripPreamble{}, MustProject("a"), Validate{})))
	assert.False(t, emits(Chain(MustProject("a"), words)))

	for _, c := range []struct {
		tr   Transform
		want bool
	}{
		{Chain(StripPreamble{}, MustProject("a")), true},
		{Chain(MustProject("a"), words), true},
		{Chain(Validate{}), true},
		{Chain(words, MustProject("a")), false},
		{Chain(StripPreamble{}), false},
		{Chain(), false},
	} {
		_, ok := c.tr.(Prefixer)
		assert.Equal(t, c.want, ok)
	}
}

func TestChainApplyPrefix(t *testing.T) {
	c := Chain(StripPreamble{}, MustProject("a"), tag("t")).(Prefixer)
	rec := source.Record{Object: &source.Object{Key: "k"}, Offset: 3}
	var out Output
	n, ok, err := c.ApplyPrefix(t.Context(), rec, []byte(`{"b":0,"a":1},…`), 100, &out)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, 13, n)
	assert.Equal(t, []string{`{"a":1}+t@k:3`}, values(&out))

	for _, in := range []string{"// x", "1 ", "", `{"a":`, "{\"a\":\"\xff\"}"} {
		out.Reset()
		_, ok, err = c.ApplyPrefix(t.Context(), rec, []byte(in), 100, &out)
		require.NoError(t, err)
		assert.False(t, ok, in)
		assert.Zero(t, out.Size())
	}

	failing := Chain(MustProject("a"), failOn(`{"a":1}`, fault.Corruptf("oops"))).(Prefixer)
	n, ok, err = failing.ApplyPrefix(t.Context(), rec, []byte(`{"a":1}`), 100, &out)
	assert.True(t, ok)
	assert.Equal(t, 7, n)
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
	assert.Zero(t, out.Size())
}

func TestMapCopiesWhatIsNotIts(t *testing.T) {
	own := []byte("own slice")
	m := Map(func(context.Context, []byte, source.Record) ([]byte, error) { return own, nil })
	var out Output
	require.NoError(t, m.Apply(t.Context(), source.Record{}, &out))
	own[0] = 'X'
	assert.Equal(t, []string{"own slice"}, values(&out))

	oops := errors.New("oops")
	m = Map(func(_ context.Context, dst []byte, _ source.Record) ([]byte, error) {
		return append(dst, "lost"...), oops
	})
	assert.ErrorIs(t, m.Apply(t.Context(), source.Record{}, &out), oops)
	assert.Equal(t, []string{"own slice"}, values(&out))
	assert.Equal(t, len("own slice"), out.Size())
}
