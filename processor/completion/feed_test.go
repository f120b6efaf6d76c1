package completion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// A listing counts what events have not told of, and nothing twice.
func TestListing(t *testing.T) {
	monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: memory.New()})
	require.NoError(t, err)
	key, ok := set.Below("out/part-0003")
	require.True(t, ok)
	_, err = monitor.Arrive(t.Context(), set, completion.Object(key, 0))
	require.NoError(t, err)
	listing := func(n int, end error) iter.Seq2[source.Object, error] {
		return func(yield func(source.Object, error) bool) {
			for i := range n {
				if !yield(source.Object{Key: fmt.Sprintf("part-%04d", i)}, nil) {
					return
				}
			}
			if end != nil {
				yield(source.Object{}, end)
			}
		}
	}
	n, err := monitor.Listing(t.Context(), set, listing(1200, nil))
	require.NoError(t, err)
	assert.Equal(t, 1199, n)
	n, err = monitor.Listing(t.Context(), set, listing(1201, nil))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	broken := errors.New("page 3 is away")
	store := &measuring{Store: memory.New()}
	monitor, err = completion.NewMonitor(completion.MonitorConfig{Store: store})
	require.NoError(t, err)
	n, err = monitor.Listing(t.Context(), set, listing(1100, broken))
	require.ErrorIs(t, err, broken)
	assert.Equal(t, 1100, n, "what came before is counted")
	assert.Equal(t, 500, store.most, "and little is held of it")
}

// measuring is a store that notes the most arrivals of a call.
type measuring struct {
	completion.Store
	most int
}

func (m *measuring) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (int, error) {
	m.most = max(m.most, len(arrivals))
	return m.Store.Arrive(ctx, set, arrivals)
}

// The summary of a loader's call is an arrival that counts objects and records.
func TestSummary(t *testing.T) {
	text, err := json.Marshal(&processor.Response{Status: processor.StatusOK, Finished: 12, Delivered: 3400, Dropped: 5})
	require.NoError(t, err)
	a, err := completion.Summary("request-1", text)
	require.NoError(t, err)
	assert.Equal(t, completion.Arrival{Key: "request-1", Objects: 12, Records: 3400}, a)

	text, err = json.Marshal(&processor.Response{Status: processor.StatusOK, SourceURL: "s3://b/k", Delivered: 7})
	require.NoError(t, err)
	a, err = completion.Summary("request-2", text)
	require.NoError(t, err)
	assert.Equal(t, completion.Object("request-2", 7), a, "a push is one object")

	for _, text := range []string{"", "{}", "[1]", `{"Status":"ok","Delivered":-1}`} {
		_, err := completion.Summary("k", []byte(text))
		assert.Equal(t, fault.ClassCorrupt, fault.Of(err), text)
	}
	_, err = completion.Summary("", []byte(`{"Status":"ok"}`))
	require.Error(t, err)
}

// A completion has a name that is short, however long that of the set is, and another each
// time the set completes.
func TestToken(t *testing.T) {
	long := completion.Completion{Set: completion.Set{Prefix: strings.Repeat("p", 900)}}
	again := long
	again.Reopened = 1
	assert.Regexp(t, "^[0-9a-f]{32}$", long.Token())
	assert.Equal(t, "8a2b652f1edca582c107edfd0d387478", long.Token(), "it does not change with the version")
	assert.NotEqual(t, long.Token(), again.Token())
}

func TestSetNames(t *testing.T) {
	assert.Equal(t, "b/out/#7", completion.Set{Bucket: "b", Prefix: "out/", Run: "7"}.String())
	ids := map[string]completion.Set{}
	for _, s := range []completion.Set{
		{Bucket: "a/b"}, {Bucket: "a", Prefix: "b"}, {Prefix: "a/b"}, {Bucket: "a", Prefix: "b/"}, {Run: "a/b"}, {Bucket: "a", Run: "b"}, {Bucket: "a%2Fb"}, {Bucket: "a b"}, {Bucket: "a+b"},
	} {
		if other, ok := ids[s.ID()]; ok {
			t.Errorf("%#v and %#v share an ID", s, other)
		}
		ids[s.ID()] = s
	}
	require.Error(t, completion.Set{}.Check())
	require.Error(t, completion.Set{Run: fmt.Sprintf("%01000d", 1)}.Check())
	_, ok := set.Below("in/x")
	assert.False(t, ok)
}
