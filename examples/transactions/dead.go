package main

import (
	"context"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/processor/redrive/sqsbox"
	"github.com/unspool-go/unspool/sink/sqs"
)

// inspect looks through the dead letters of a queue, once there are so many.
func (c *chain) inspect(ctx context.Context, queue string, letters int) (redrive.Report, error) {
	for {
		report, err := c.redrive(ctx, queue, redrive.Config{DryRun: true, Examples: 1})
		if err != nil || report.Matched >= int64(letters) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, fmt.Errorf("%d of %d dead letters: %w", report.Matched, letters, context.Cause(ctx))
		case <-time.After(time.Second / 4):
		}
	}
}

// replay puts the dead letters of a queue into it again.
func (c *chain) replay(ctx context.Context, queue string) (redrive.Report, error) {
	to, err := sqs.New(c.queues, queue, sqs.Config{})
	if err != nil {
		return redrive.Report{}, err
	}
	target, err := redrive.ToSink(to, redrive.PackArray)
	if err != nil {
		return redrive.Report{}, err
	}
	return c.redrive(ctx, queue, redrive.Config{To: target})
}

func (c *chain) redrive(ctx context.Context, queue string, cfg redrive.Config) (redrive.Report, error) {
	letters, err := sqsbox.New(c.queues, deadLetters(queue), sqsbox.Config{})
	if err != nil {
		return redrive.Report{}, err
	}
	cfg.From = letters
	return redrive.Run(ctx, cfg)
}
