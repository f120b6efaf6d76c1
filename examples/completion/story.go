package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

const (
	// speed is how much faster than yours the clock of the story runs.
	speed = 10
	tick  = 20 * time.Millisecond
	// objects are so many in all, of producers that write so many each.
	objects   = producers * perMember
	producers = 3
	perMember = 12
)

// story is what happens, told as it does.
type story struct {
	server *sqstest.Server
	out    io.Writer
	start  time.Time

	mu        sync.Mutex
	completed []completion.Completion
	errs      []error
	changed   chan struct{} // holds one where something has changed
}

func newStory(server *sqstest.Server, out io.Writer) *story {
	return &story{server: server, out: out, start: time.Now(), changed: make(chan struct{}, 1)}
}

// say tells what happens.
func (s *story) say(what, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(what, format, args...)
}

func (s *story) tell(what, format string, args ...any) {
	at := time.Since(s.start) * speed
	fmt.Fprintf(s.out, "%-9s %5.1f s  %s\n", what, at.Seconds(), fmt.Sprintf(format, args...))
}

// next is the next step, which needs everything to be there.
func (s *story) next(_ context.Context, c completion.Completion) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.completed = append(s.completed, c)
	s.tell(string(c.Outcome), "%s: %d objects, %s", c.Set, c.Count.Objects, c.Reason)
	s.notify()
	return nil
}

// late is told of what came after that.
func (s *story) late(_ context.Context, l completion.Late) error {
	s.say("reopened", "%s: %d more than were there", l.Set, l.Added.Objects)
	return nil
}

// fail notes an error of what runs beside.
func (s *story) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
	s.notify()
}

func (s *story) notify() {
	select {
	case s.changed <- struct{}{}:
	default: // somebody will look already
	}
}

// await waits for a completion.
func (s *story) await(ctx context.Context, is func(completion.Completion) bool) error {
	for {
		s.mu.Lock()
		err := errors.Join(s.errs...)
		n := len(s.completed)
		there := n > 0 && is(s.completed[n-1])
		s.mu.Unlock()
		if err != nil || there {
			return err
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// check makes sure that each completion was told of once.
func (s *story) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]bool{}
	for _, c := range s.completed {
		if ids[c.ID()] {
			return fmt.Errorf("completion %s was told of twice", c.ID())
		}
		ids[c.ID()] = true
	}
	s.tell("checked", "%d completions, each told of once, the last with everything", len(ids))
	return nil
}

// runClock makes the clock of the queues run faster.
func (s *story) runClock(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case now := <-ticker.C:
			s.server.Advance((speed - 1) * now.Sub(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// produce has all producers write, the last of them slowly.
func (s *story) produce(ctx context.Context, b bucket) error {
	var wg sync.WaitGroup
	errs := make([]error, producers)
	for p := range producers {
		pause := 200 * time.Millisecond
		if p == producers-1 {
			pause = 1500 * time.Millisecond
		}
		wg.Go(func() {
			for i := range perMember {
				if errs[p] = b.put(ctx, fmt.Sprintf("producer-%d/part-%03d", p, i)); errs[p] != nil {
					return
				}
				select {
				case <-time.After(rand.N(2*pause) / speed):
				case <-ctx.Done():
					errs[p] = ctx.Err()
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// bucket stands in for a bucket of S3, as far as it tells of objects.
type bucket struct {
	client *sqs.Client
	queue  string
}

// put writes an object: S3 tells of it within two seconds, and of one in three twice.
func (b bucket) put(ctx context.Context, name string) error {
	event := fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-22T12:00:00Z","eventName":"ObjectCreated:Put",`+
		`"s3":{"bucket":{"name":"results"},"object":{"key":"out/run-7/%s","size":1024,"sequencer":"01"}}}]}`, name)
	for range 1 + rand.N(3)/2 {
		_, err := b.client.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: &b.queue, MessageBody: awssdk.String(event), DelaySeconds: rand.N(int32(3)),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
