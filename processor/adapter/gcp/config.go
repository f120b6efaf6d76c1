package gcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// Service is what a handler needs of a [processor.Service].
type Service interface {
	Do(ctx context.Context, req *processor.Request) (processor.Reporter, error)
}

var _ Service = (*processor.Service)(nil)

// Config is what all handlers need.
type Config struct {
	// Service processes the requests. Required.
	Service Service
	// Timeout is the deadline of an event, from when it arrived, where its context
	// has none or a later one. Required for HTTP, where there is none (see the
	// package's section on deadlines): until it is set requests are refused.
	// Defaults to none for events that are handed over otherwise.
	Timeout time.Duration
	// MaxBody is the largest body of an HTTP request, in bytes; a longer one is
	// refused. Defaults to 16 MiB, which is more than Pub/Sub delivers.
	MaxBody int64
	// Done, when not nil, is called once at the end of each event with its
	// summary, from several goroutines at once: the place to write it.
	Done func(*Report)
	// Each, when not nil, is called with what each Do returned, from several
	// goroutines at once: for reporters of one's own.
	Each func(processor.Reporter, error)
}

const defaultMaxBody = 16 << 20

func (c Config) withDefaults() Config {
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	return c
}

func (c *Config) validate() error {
	var errs []error
	if c.Service == nil {
		errs = append(errs, errors.New("gcp: Config.Service: required"))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("gcp: Config.Timeout: %v is negative", c.Timeout))
	}
	if c.MaxBody < 0 {
		errs = append(errs, fmt.Errorf("gcp: Config.MaxBody: %d is negative", c.MaxBody))
	}
	return errors.Join(errs...)
}
