package gcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
)

// delivery is one event that is being handled, by one goroutine.
type delivery struct {
	cfg    *Config
	report *Report
}

// handle has an event handled by do, before the deadline there is. The event is
// settled if the error is nil.
func (c *Config) handle(ctx context.Context, do func(context.Context, *delivery) error) error {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	d := &delivery{cfg: c, report: newReport()}
	started := d.report.StartTime
	err := usercode.Call(func() error { // what panics is not settled
		if end := ctx.Err(); end != nil {
			return fault.Interrupted(fmt.Errorf("gcp: the time was up: %w", end))
		}
		return do(ctx, d)
	})
	if err != nil {
		d.report.fail(err)
	}
	d.report.StartTime, d.report.RuntimeMs = started, time.Since(started).Milliseconds()
	if c.Done != nil {
		c.Done(d.report)
	}
	return err
}

// request makes one request, and returns nil if its input is settled.
func (d *delivery) request(ctx context.Context, req *processor.Request) error {
	rep, err := d.cfg.Service.Do(ctx, req)
	if d.cfg.Each != nil {
		d.cfg.Each(rep, err)
	}
	if rep == nil || rep.BaseResponse() == nil {
		if err == nil {
			err = errors.New("gcp: Do returned nothing")
		}
		return err
	}
	resp := *rep.BaseResponse()
	d.report.Response = &resp
	// A call that failed before it looked at its input has settled nothing. One
	// that failed later has, in the destinations, unless it says otherwise.
	if errors.Is(err, processor.ErrUnread) || err != nil && resp.Objects == 0 {
		return err
	}
	return nil
}
