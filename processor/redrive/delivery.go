package redrive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// delivery is the replay of one bundle.
type delivery struct {
	*run
	bundle   Bundle
	left     int64 // letters to be replayed still
	replayed int64
	stopped  error // why not all were tried

	batch []Letter
	bytes int
}

// replay hands the wanted letters over, and has the others kept. An error means that
// the bundle could not be read, or kept: nothing of it may be removed then. What the
// target is to blame for is stopped.
func (d *delivery) replay(ctx context.Context) error {
	most, mostBytes, err := d.cfg.To.Batch(ctx)
	if err != nil {
		d.stopped = err
	}
	// What was read of the bundle has to be kept also when ctx has ended.
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(tidyTime, cancel) })()
	for l, err := range d.bundle.Letters(reading) {
		if err != nil {
			return err
		}
		wanted := d.left > 0 && l.Stage != StageTicket && d.cfg.Where.match(&l)
		if !wanted || d.stopped != nil || ctx.Err() != nil {
			if err := d.bundle.Keep(l); err != nil {
				return err
			}
			continue
		}
		d.left--
		if len(d.batch) > 0 && (len(d.batch) >= most || d.bytes+l.size() > mostBytes) {
			if err := d.send(ctx); err != nil {
				return err
			}
		}
		d.batch = append(d.batch, l.clone())
		d.bytes += l.size()
	}
	if err := d.send(ctx); err != nil {
		return err
	}
	if d.stopped == nil {
		d.stopped = ctx.Err()
	}
	return nil
}

// send replays what is gathered. What the target did not take is kept.
func (d *delivery) send(ctx context.Context) error {
	batch := d.batch
	d.batch, d.bytes = nil, 0
	if len(batch) == 0 {
		return nil
	}
	pause, giveUp := firstPause, time.Now().Add(d.cfg.MaxOutage)
	for len(batch) > 0 && d.stopped == nil {
		if d.stopped = d.wait(ctx, len(batch)); d.stopped != nil {
			break
		}
		var again []Letter
		var cause error
		answers := d.cfg.To.Replay(ctx, batch)
		if len(answers) != len(batch) {
			d.stopped = fault.Fatal(fmt.Errorf("redrive: the target gave %d answers for %d letters", len(answers), len(batch)))
			break
		}
		for i, err := range answers {
			switch {
			case err == nil:
				d.replayed++
				d.report.Replayed++
				continue
			case fault.Is(err, fault.ClassFatal):
				d.stopped = err
				again = append(again, batch[i])
			case fault.Is(err, fault.ClassInterrupted), ctx.Err() != nil:
				cause = err
				again = append(again, batch[i])
			default:
				d.report.Refused++
				d.report.note(fmt.Errorf("%s: %w", batch[i].ID, err))
				if err := d.bundle.Keep(batch[i]); err != nil {
					return err
				}
			}
		}
		batch = again
		if len(batch) == 0 || d.stopped != nil {
			break
		}
		if time.Now().After(giveUp) {
			d.stopped = cause
			break
		}
		if d.stopped = sleep.For(ctx, pause); d.stopped != nil {
			d.stopped = errors.Join(d.stopped, cause)
		}
		pause = min(2*pause, lastPause)
	}
	for _, l := range batch {
		if err := d.bundle.Keep(l); err != nil {
			return err
		}
	}
	return nil
}

const (
	firstPause = 100 * time.Millisecond // after a target was found to be away
	lastPause  = 10 * time.Second
)

// wait waits until n letters may be replayed.
func (d *delivery) wait(ctx context.Context, n int) error {
	if d.limiter == nil {
		return ctx.Err()
	}
	for n > 0 {
		step := min(n, d.limiter.Burst())
		if r := d.limiter.ReserveN(time.Now(), step); r.Delay() > 0 {
			if err := sleep.For(ctx, r.Delay()); err != nil {
				r.Cancel()
				return err
			}
		}
		n -= step
	}
	return ctx.Err()
}
