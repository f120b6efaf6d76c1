package aws_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

// outcome is what a service makes of an input.
type outcome int

const (
	settles outcome = iota
	settlesBadly
	fails
	failsEarly
	panics
	hangs
	outcomes
)

// world is a service with outcomes drawn by name, that notes what it settled.
type world struct {
	mu      sync.Mutex
	of      map[string]outcome
	takes   map[string]time.Duration
	begun   []string
	settled map[string]int
	over    chan struct{} // closed when what hangs may go on
}

func (w *world) Do(ctx context.Context, req *processor.Request) (processor.Reporter, error) {
	var name string
	if req.Object != nil {
		name = req.Object.Key
	} else {
		body, _ := io.ReadAll(req.Reader)
		name = string(body)
	}
	w.mu.Lock()
	w.begun = append(w.begun, name)
	what, takes := w.of[name], w.takes[name]
	w.mu.Unlock()
	rep := processor.NewReporter()
	if takes > 0 {
		timer := time.NewTimer(takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done(): // the service puts the rest aside: it is settled
		}
	}
	switch what {
	case failsEarly:
		return rep, fmt.Errorf("the sink does not answer")
	case fails:
		rep.BaseResponse().Objects = 1
		return rep, errUnread
	case panics:
		panic("on purpose")
	case hangs:
		<-w.over
		return rep, errUnread
	}
	rep.BaseResponse().Objects = 1
	w.mu.Lock()
	w.settled[name]++
	w.mu.Unlock()
	if what == settlesBadly {
		rep.BaseResponse().Status = processor.StatusError
		return rep, fmt.Errorf("finish the processor: no")
	}
	return rep, nil
}

func newWorld(t *rapid.T, names []string, kinds outcome) *world {
	w := &world{of: map[string]outcome{}, takes: map[string]time.Duration{}, settled: map[string]int{}}
	for _, name := range names {
		w.of[name] = outcome(rapid.IntRange(0, int(kinds)-1).Draw(t, "outcome of "+name))
		w.takes[name] = time.Duration(rapid.IntRange(0, 3000).Draw(t, "milliseconds of "+name)) * time.Millisecond
	}
	return w
}

// For random batches, outcomes and deadlines the answer names exactly the messages
// that were not settled, in time; and of a group all that follow one of these.
func TestTheAnswerNamesExactlyWhatIsNotSettled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "messages")
		queue := rapid.SampledFrom([]string{standard, fifo}).Draw(rt, "queue")
		var e awsevents.SQSEvent
		var names []string
		for i := range n {
			names = append(names, fmt.Sprint("body ", i))
			e.Records = append(e.Records, message(queue, fmt.Sprint("m", i), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "group"), names[i]))
		}
		w := newWorld(rt, names, outcomes)
		limit := time.Duration(rapid.IntRange(1, 20_000).Draw(rt, "deadline in ms")) * time.Millisecond
		cfg := aws.Config{Service: w, Concurrency: rapid.IntRange(1, 5).Draw(rt, "concurrency")}
		synctest.Test(t, func(t *testing.T) {
			w.over = make(chan struct{}) // of the bubble
			h, err := aws.NewMessages(aws.MessagesConfig{Config: cfg})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			answer, err := h.Handle(ctx, e)
			require.Less(t, time.Since(began), limit)
			w.mu.Lock()
			defer func() { w.mu.Unlock(); close(w.over); synctest.Wait() }()
			var want []string
			broken := map[string]bool{}
			for i, m := range e.Records {
				group := m.Attributes["MessageGroupId"]
				lost := w.settled[names[i]] == 0
				if queue == fifo {
					require.False(t, broken[group] && slices.Contains(w.begun, names[i]), "begun after one of its group that was not settled")
					broken[group] = broken[group] || lost
					lost = broken[group]
				}
				require.LessOrEqual(t, w.settled[names[i]], 1)
				if lost {
					want = append(want, m.MessageId)
				}
			}
			if len(want) == n {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, answer.Again())
		})
	})
}

// keyed is the source of a test: it knows which objects are its own.
type keyed struct{ source.Source }

func (keyed) ObjectOf(e s3.Event) (source.Object, bool) {
	return source.Object{Key: e.Object.Key, Size: -1}, !strings.HasPrefix(e.Object.Key, "foreign")
}

// The same for S3 events: a message comes again if and only if one of its objects
// is not settled, and no object is done twice.
func TestAMessageComesAgainIfOneOfItsObjectsIsNotSettled(t *testing.T) {
	keys := []string{"a", "b", "c", "d", "e", "foreign"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, keys, outcomes)
		var e awsevents.SQSEvent
		holds := make([][]string, rapid.IntRange(1, 8).Draw(rt, "messages"))
		for i := range holds {
			holds[i] = rapid.SliceOfN(rapid.SampledFrom(keys), 0, 4).Draw(rt, "objects")
			body := created(holds[i]...)
			if len(holds[i]) == 0 {
				body = golden(t, "test")
			}
			e.Records = append(e.Records, message(standard, fmt.Sprint("m", i), "", body))
		}
		limit := time.Duration(rapid.IntRange(1, 20_000).Draw(rt, "deadline in ms")) * time.Millisecond
		synctest.Test(t, func(t *testing.T) {
			w.over = make(chan struct{}) // of the bubble
			h, err := aws.NewObjects(aws.ObjectsConfig{Config: aws.Config{Service: w, Concurrency: 3}, Source: keyed{}})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			answer, err := h.HandleSQS(ctx, e)
			w.mu.Lock()
			defer func() { w.mu.Unlock(); close(w.over); synctest.Wait() }()
			require.Zero(t, w.settled["foreign"])
			var want []string
			for i, objects := range holds {
				if slices.ContainsFunc(objects, func(key string) bool { return key != "foreign" && w.settled[key] == 0 }) {
					want = append(want, fmt.Sprint("m", i))
				}
			}
			slices.Sort(w.begun)
			require.Len(t, slices.Compact(w.begun), len(w.begun), "each object is done once")
			if len(want) == len(holds) {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, answer.Again())
		})
	})
}

// The same for a stream: what is before the answer is settled, and from it on
// nothing was begun but the chunk that failed.
func TestAStreamGoesOnWhereItWasSettledTo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, chunk := rapid.IntRange(1, 20).Draw(rt, "changes"), rapid.IntRange(1, 5).Draw(rt, "chunk")
		bad := rapid.IntRange(0, 2*n).Draw(rt, "first that fails")
		takes := time.Duration(rapid.IntRange(0, 3000).Draw(rt, "milliseconds")) * time.Millisecond
		limit := time.Duration(rapid.IntRange(1, 20_000).Draw(rt, "deadline in ms")) * time.Millisecond
		synctest.Test(t, func(t *testing.T) {
			settled, begun := 0, 0
			h, err := aws.NewChanges(aws.ChangesConfig{Chunk: chunk, Config: aws.Config{Service: service(func(ctx context.Context, req *processor.Request) error {
				select {
				case <-time.After(takes):
				case <-ctx.Done(): // the rest is put aside
				}
				body, _ := io.ReadAll(req.Reader)
				lines := strings.Count(string(body), "\n")
				begun += lines
				if begun > bad {
					return errUnread
				}
				settled += lines
				return nil
			})}})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			answer, err := h.Handle(ctx, stream(n))
			switch settled {
			case 0:
				require.Error(t, err)
			case n:
				require.NoError(t, err)
				require.Empty(t, answer.Again())
			default:
				require.NoError(t, err)
				require.Equal(t, []string{fmt.Sprint(settled)}, answer.Again())
			}
			require.LessOrEqual(t, begun, settled+chunk)
		})
	})
}
