package aws

import (
	"context"
	"errors"
	"time"

	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor"
)

// invocation is one call of a handler.
type invocation struct {
	cfg  *Config
	when schedule
	*tally
}

func (c *Config) invoked(ctx context.Context) *invocation {
	return &invocation{cfg: c, when: c.scheduleOf(ctx), tally: newTally()}
}

// over ends the report, and hands it to the caller. It returns the errors of what
// was not settled.
func (inv *invocation) over() error {
	rep, err := inv.close()
	if inv.cfg.Done != nil {
		inv.cfg.Done(rep)
	}
	return err
}

// task is one piece of work: mostly a request.
type task struct {
	// lane orders tasks: those of one lane are done one after the other, and none
	// after one that was not settled. Tasks of the empty lane are independent.
	lane string
	// do returns nil if the task is settled.
	do func(ctx context.Context) error
}

// perform does the tasks, and reports of each whether it is settled. It returns
// before the deadline of ctx: what was not begun by then, and what did not return,
// is not settled.
func (inv *invocation) perform(ctx context.Context, tasks []task) []bool {
	own, cancel := inv.when.context(ctx)
	defer cancel()
	lanes := lanesOf(tasks)
	workers := min(inv.cfg.Concurrency, len(lanes))
	queue := make(chan []int, len(lanes))
	for _, l := range lanes {
		queue <- l
	}
	close(queue)
	// There is room for all they may send, so that a worker that is left behind
	// ends when its task returns.
	done, left := make(chan int, len(tasks)), make(chan struct{}, workers)
	for range workers {
		go func() {
			defer func() { left <- struct{}{} }()
			for lane := range queue {
				inv.follow(own, lane, tasks, done)
			}
		}()
	}
	late, stop := inv.when.alarm()
	defer stop()
wait:
	for range workers {
		select {
		case <-left:
		case <-late:
			break wait
		}
	}
	settled, n := make([]bool, len(tasks)), 0
	for range len(done) { // no more than are there now
		settled[<-done] = true
		n++
	}
	if n < len(tasks) && !inv.when.open(ctx) {
		inv.note(func(r *Report) {
			if r.Status == processor.StatusOK {
				r.Status = processor.StatusStopped
			}
		})
	}
	return settled
}

// follow does the tasks of a lane until one is not settled, or the time is up.
func (inv *invocation) follow(ctx context.Context, lane []int, tasks []task, done chan<- int) {
	for _, i := range lane {
		if !inv.when.open(ctx) {
			return
		}
		if err := usercode.Call(func() error { return tasks[i].do(ctx) }); err != nil { // a panic settles nothing
			inv.fail(err)
			return
		}
		done <- i
	}
}

// lanesOf groups tasks by lane, in the order of their first ones.
func lanesOf(tasks []task) [][]int {
	var lanes [][]int
	of := map[string]int{}
	for i := range tasks {
		at, ok := of[tasks[i].lane]
		if !ok || tasks[i].lane == "" {
			at = len(lanes)
			lanes = append(lanes, nil)
			of[tasks[i].lane] = at
		}
		lanes[at] = append(lanes[at], i)
	}
	return lanes
}

// request makes one request, and returns nil if its input is settled.
func (inv *invocation) request(ctx context.Context, req *processor.Request) error {
	rep, err := inv.cfg.Service.Do(ctx, req)
	if inv.cfg.Each != nil {
		inv.cfg.Each(rep, err)
	}
	if rep == nil || rep.BaseResponse() == nil {
		if err == nil {
			err = errors.New("aws: Do returned nothing")
		}
		return err
	}
	inv.add(rep)
	// A call that failed before it looked at its input has settled nothing. One
	// that failed later has, in the destinations, unless it says otherwise.
	switch resp := rep.BaseResponse(); {
	case errors.Is(err, processor.ErrUnread) && resp.Status != processor.StatusError:
		return postponed{err}
	case errors.Is(err, processor.ErrUnread), err != nil && resp.Objects == 0:
		return err
	}
	return nil
}

// postponed is the reason why something is not settled that is no failure: another
// worker holds it, or it was given back with what was done of it.
type postponed struct{ error }

func (p postponed) Unwrap() error { return p.error }

// alarm returns a channel that tells when the answer has to leave.
func (s schedule) alarm() (<-chan time.Time, func()) {
	if s.answer.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Until(s.answer))
	return timer.C, func() { timer.Stop() }
}
