package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/redrive"
)

// tester is a test, or one run of a property.
type tester interface {
	require.TestingT
	Helper()
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// record is the letter number n of an object, as the processor puts it aside.
func record(object string, n int) destination.Envelope {
	return destination.Envelope{
		Object: object, Version: "v", Offset: int64(n), Attempt: 11, Class: "retryable",
		Reason: []string{"throttled", "timed out"}[n%2], Time: noon.Add(time.Duration(n) * time.Minute), Data: fmt.Appendf(nil, `{"id":%d,"odd":%t}`, n, n%2 == 1),
	}
}

// put writes a file of a destination.
func put(t tester, url, object string, envs ...destination.Envelope) {
	t.Helper()
	store, err := destination.Open(destination.Config{URL: url})
	require.NoError(t, err)
	part, err := store.Create(context.Background(), object, 0)
	require.NoError(t, err)
	for _, env := range envs {
		_, err := part.Write(env.Append(nil))
		require.NoError(t, err)
	}
	_, err = part.Commit(context.Background())
	require.NoError(t, err)
}

// contents are the data of all letters of a destination, sorted, by file.
func contents(t tester, url string) (files int, data []string) {
	t.Helper()
	store, err := destination.Open(destination.Config{URL: url})
	require.NoError(t, err)
	for info, err := range store.List(context.Background()) {
		require.NoError(t, err)
		files++
		body, err := store.Open(context.Background(), info.Name)
		require.NoError(t, err)
		for env, err := range destination.ReadEnvelopes(body, 1<<20) {
			if !errors.Is(err, destination.ErrNotEnvelope) {
				require.NoError(t, err)
			}
			data = append(data, string(env.Data))
		}
		require.NoError(t, body.Close())
	}
	slices.Sort(data)
	return files, data
}

func place(t tester, url string) *redrive.Place {
	t.Helper()
	p, err := redrive.NewPlace(url)
	require.NoError(t, err)
	return p
}

// errRefused is why a target does not take a letter, whatever is tried.
var errRefused = fault.Corrupt(errors.New("too ugly"))

// target takes letters by their data, as answer says.
type target struct {
	batch  int
	answer func(data string) error // nil takes everything
	took   map[string]int
	calls  []int // letters of each
}

func (g *target) Batch(context.Context) (letters, bytes int, err error) {
	return max(1, g.batch), 1 << 20, nil
}

func (g *target) Replay(_ context.Context, letters []redrive.Letter) []error {
	g.calls = append(g.calls, len(letters))
	errs := make([]error, len(letters))
	for i, l := range letters {
		if g.answer != nil {
			errs[i] = g.answer(string(l.Data))
		}
		if errs[i] == nil {
			if g.took == nil {
				g.took = map[string]int{}
			}
			g.took[string(l.Data)]++
		}
	}
	return errs
}

func (g *target) data() []string { return slices.Sorted(maps.Keys(g.took)) }

// dataOf are the data of the records with those numbers, sorted.
func dataOf(numbers ...int) []string {
	all := []string{}
	for _, n := range numbers {
		all = append(all, string(record("", n).Data))
	}
	slices.Sort(all)
	return all
}

var errTorn = fmt.Errorf("torn: %w", io.ErrUnexpectedEOF)
