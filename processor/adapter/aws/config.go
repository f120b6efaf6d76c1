package aws

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
	// Concurrency is how many requests are under way at once. Each has the
	// workers, and may take the memory, that the service is configured with.
	// Defaults to 4.
	Concurrency int
	// Margin is how long before the deadline no request begins any more. A request
	// needs some of it for the drain: make it longer than DeadlineReduction of the
	// service where that is set. Defaults to 1% of the time there is, at least
	// 1 second and at most a quarter of it.
	Margin time.Duration
	// Done, when not nil, is called once at the end of each invocation with its
	// summary: the place to write it, as with package emf.
	Done func(*Report)
	// Each, when not nil, is called with what each Do returned, from several
	// goroutines at once: for reporters of one's own.
	Each func(processor.Reporter, error)
}

// defaultConcurrency suits functions that have one or two processors and wait for
// a queue or a store most of the time.
const defaultConcurrency = 4

func (c Config) withDefaults() Config {
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	return c
}

func (c *Config) validate() error {
	var errs []error
	if c.Service == nil {
		errs = append(errs, errors.New("Config.Service: required"))
	}
	if c.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("Config.Concurrency: %d is negative", c.Concurrency))
	}
	if c.Margin < 0 {
		errs = append(errs, fmt.Errorf("Config.Margin: %v is negative", c.Margin))
	}
	return errors.Join(errs...)
}
