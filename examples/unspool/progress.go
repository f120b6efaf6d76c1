package main

import (
	"fmt"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// progress turns the processor's snapshots into the text of the status line.
type progress struct {
	deadline time.Time // zero where there is none
	now      func() time.Time

	lastLoaded int64
	lastTime   time.Time
}

// Line returns the text for one snapshot. The rate is that since the snapshot
// before.
func (p *progress) Line(r processor.Response) string {
	now := p.now()
	since := p.lastTime
	if since.IsZero() {
		since = r.StartTime
	}
	rate := 0.0
	if d := now.Sub(since); d > 0 {
		rate = float64(r.Loaded-p.lastLoaded) / d.Seconds()
	}
	p.lastLoaded, p.lastTime = r.Loaded, now

	line := fmt.Sprintf("%s objects, %s records, %s messages, %s/s",
		digits(r.Finished), digits(r.Loaded), digits(r.Messages), digits(int64(rate)))
	line += some(part{r.CorruptionErrors, "corrupt"}, part{r.RetryErrors, "retried"}, part{r.FailedErrors, "failed"})
	if !p.deadline.IsZero() {
		line += fmt.Sprintf(", %v left", max(p.deadline.Sub(now), 0).Round(time.Second))
	}
	return line
}
