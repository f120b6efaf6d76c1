package streampoll_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
)

// change is what a handler of the tests needs of a change: its name, and where it is
// one of a table of a server that of the item and its version.
type change struct{ Name, Item, Sequence string }

func (c change) shard() string { shard, _, _ := strings.Cut(c.Name, " "); return shard }

// changesOf reads an event.
func changesOf(event json.RawMessage) ([]change, error) {
	var e struct {
		Records []struct {
			DynamoDB struct {
				Keys, NewImage map[string]map[string]string
				SequenceNumber string
			} `json:"dynamodb"`
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	if len(e.Records) == 0 {
		return nil, errors.New("no records")
	}
	var changes []change
	for _, r := range e.Records {
		id := r.DynamoDB.Keys["id"]["S"]
		changes = append(changes, change{id, id + " v" + r.DynamoDB.NewImage["version"]["N"], r.DynamoDB.SequenceNumber})
	}
	return changes, nil
}

// handler is a Handler that notes what it settled, and what it must not see. One may
// serve several consumers.
type handler struct {
	// f handles a batch: it returns how many of its changes are settled.
	f func(ctx context.Context, batch []change) (settled int, err error)
	// version says that changes are known by Item, and nobody knows their shards.
	version bool

	mu      sync.Mutex
	names   []string // of what was settled, in that order
	batches []int    // their sizes
	busy    map[string]bool
	most    int      // shards at once
	wrong   []string // what happened that must not
}

func (h *handler) Handle(ctx context.Context, event json.RawMessage) (aws.Answer, error) {
	batch, err := changesOf(event)
	if err != nil {
		return aws.Answer{}, err
	}
	shard := batch[0].shard()
	if h.version {
		shard = batch[0].Sequence
	}
	h.mu.Lock()
	if h.busy == nil {
		h.busy = map[string]bool{}
	}
	if h.busy[shard] {
		h.wrong = append(h.wrong, "two batches of "+shard+" at a time")
	}
	for _, c := range batch {
		if c.shard() != shard && !h.version {
			h.wrong = append(h.wrong, "a batch of several shards")
		}
	}
	h.busy[shard] = true
	h.most = max(h.most, len(h.busy))
	h.batches = append(h.batches, len(batch))
	h.mu.Unlock()
	n := len(batch)
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.busy, shard)
		if err == nil {
			for _, c := range batch[:n] {
				if h.version {
					c.Name = c.Item
				}
				h.names = append(h.names, c.Name)
			}
		}
	}()
	if h.f != nil {
		n, err = -1, errors.New("it ended")
		n, err = h.f(ctx, batch)
	}
	if err != nil || n == len(batch) {
		return aws.Answer{}, err
	}
	return aws.Again(batch[n].Sequence), nil
}

func (h *handler) settled() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.names)
}

func (h *handler) sizes() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.batches)
}

func (h *handler) mistakes() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.wrong)
}

// of returns the names of a shard, in their order.
func of(names []string, shard string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return (change{Name: name}).shard() != shard })
}

// faults collects what OnError is told.
type faults struct {
	mu   sync.Mutex
	errs []error
}

func (f *faults) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *faults) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.errs)
}

func (f *faults) gaps() (n int) {
	for _, err := range f.all() {
		if errors.Is(err, streampoll.ErrGap) {
			n++
		}
	}
	return n
}

// outcome is what a Run returned.
type outcome struct {
	stats streampoll.Stats
	err   error
	took  time.Duration // from the end of its context
}

// consume runs a consumer until stop is called, which returns when it has.
func consume(t *testing.T, s streampoll.API, h streampoll.Handler, cfg streampoll.Config) (stop func() outcome) {
	t.Helper()
	c, err := streampoll.New(s, arn, h, cfg)
	require.NoError(t, err)
	return start(t, c)
}

func start(t *testing.T, c *streampoll.Consumer) (stop func() outcome) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan outcome, 1)
	go func() {
		stats, err := c.Run(ctx)
		done <- outcome{stats: stats, err: err}
	}()
	return func() outcome {
		began := time.Now()
		cancel()
		out := <-done
		out.took = time.Since(began)
		s := out.stats
		assert.Equal(t, s.Received, s.Settled+s.Passed+s.Skipped+s.Returned, "every change has one fate: %+v", s)
		return out
	}
}

// once checks that all of these were settled, each once, those of a shard in order.
func once(t *testing.T, got []string, want ...[]string) {
	t.Helper()
	all := slices.Concat(want...)
	shards := map[string][]string{}
	for _, name := range all {
		shard := change{Name: name}.shard()
		shards[shard] = append(shards[shard], name)
	}
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		assert.Equal(t, shards[shard], of(got, shard))
	}
	assert.Len(t, got, len(all))
}

func TestMain(m *testing.M) {
	if os.Getenv(childEndpoint) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}
