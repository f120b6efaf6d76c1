package processor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// oneByOne takes one message a call.
type oneByOne struct{ sink.Sink }

func (oneByOne) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{BatchMessages: 1}, nil
}

// stuckFor runs for at most 20 seconds, though something ignores its context
// for an hour.
func (s *scene) stuckFor(change func(release chan struct{})) *processor.Response {
	s.t.Helper()
	release := make(chan struct{})
	time.AfterFunc(time.Hour, func() { close(release) })
	change(release)
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	began := time.Now()
	resp, _ := s.run(ctx) // whether that is an error depends on what is stuck
	assert.Less(s.t, time.Since(began), 20*time.Second, "Run returns before the deadline")
	assert.NotEqual(s.t, processor.StatusOK, resp.Status)
	return resp
}

// A sink that ignores its context is left behind: with every worker waiting for
// it, Run returns, and nothing is lost.
func TestDeadlineStuckSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.Pack.Mode = processor.PackSingle
		s.cfg.Concurrency, s.cfg.Senders = 4, 1
		s.cfg.Sink = oneByOne{s.out}
		for i := range 100 {
			s.put(fmt.Sprint("o", i), 20, 100)
		}
		resp := s.stuckFor(func(release chan struct{}) {
			s.hook = func(context.Context, []sink.Message) error { <-release; return nil }
		})
		assert.Positive(t, resp.Abandoned)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		s.hook = nil
		s.drained(t.Context())
		s.nothingLost()
	})
}

// So is a reader of the source.
func TestDeadlineStuckRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 10 {
			s.put(fmt.Sprint("o", i), 20, 100)
		}
		resp := s.stuckFor(func(release chan struct{}) {
			s.src.OnOpen = func(_ context.Context, o source.Object, _ int64) processortest.ReadFault {
				if o.Key != "o3" {
					return processortest.ReadFault{}
				}
				return processortest.ReadFault{Before: func(context.Context) { <-release }}
			}
		})
		assert.EqualValues(t, 1, resp.Abandoned)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		s.drained(t.Context())
		s.exactlyOnce()
	})
}

// So is a listing.
func TestDeadlineStuckListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 5, 10)
		s.put("b", 5, 10)
		s.stuckFor(func(release chan struct{}) {
			s.src.OnList = func(_ context.Context, i int) error {
				if i == 1 {
					<-release
				}
				return nil
			}
		})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		s.drained(t.Context())
		s.exactlyOnce()
	})
}

// So are a claim store, and the Pre and Post of a custom processor.
func TestDeadlineStuckElsewhere(t *testing.T) {
	for name, change := range map[string]func(s *scene, release chan struct{}){
		"Pre":  func(s *scene, release chan struct{}) { s.cfg.Processor = stuckProcessor{pre: release} },
		"Post": func(s *scene, release chan struct{}) { s.cfg.Processor = stuckProcessor{post: release} },
		"Claim": func(s *scene, release chan struct{}) {
			s.claims.OnCall = func(_ context.Context, call processortest.Call, _ []string) (error, bool) {
				if call == processortest.CallClaim {
					<-release
				}
				return nil, false
			}
		},
		"Complete": func(s *scene, release chan struct{}) {
			s.claims.OnCall = func(_ context.Context, call processortest.Call, _ []string) (error, bool) {
				if call == processortest.CallComplete {
					<-release
				}
				return nil, false
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.put("a", 5, 10)
				s.stuckFor(func(release chan struct{}) {
					change(s, release)
					if s.cfg.Processor != nil {
						s.cfg.Sink = nil
					}
				})
				time.Sleep(2 * time.Hour)
				synctest.Wait()
			})
		})
	}
}

type stuckProcessor struct{ pre, post chan struct{} }

func (stuckProcessor) Process(context.Context, []byte, processor.Reporter) error { return nil }

func (p stuckProcessor) Pre(ctx context.Context, _ processor.Reporter) (context.Context, error) {
	if p.pre != nil {
		<-p.pre
	}
	return ctx, nil
}

func (p stuckProcessor) Post(context.Context, processor.Reporter) error {
	if p.post != nil {
		<-p.post
	}
	return nil
}

// A deadline that comes while the source is listed is told.
func TestDeadlineInListingIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 100 {
			s.put(fmt.Sprint("o", i), 1, 10)
		}
		s.src.OnList = func(ctx context.Context, _ int) error {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
	})
}
