// Package env reads what the functions of examples/lambda have in common from
// their environment.
package env

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/unspool-go/unspool/claim/dynamodb"
)

// Env is the environment of a function. It collects what is wrong with it, so
// that all is told at once.
type Env struct {
	lookup func(string) (string, bool)
	errs   []error
}

// New returns the environment that lookup knows, as [os.LookupEnv] does.
func New(lookup func(string) (string, bool)) *Env { return &Env{lookup: lookup} }

// Need returns a variable that must be set.
func (e *Env) Need(name string) string {
	value := e.Get(name)
	if value == "" {
		e.errs = append(e.errs, fmt.Errorf("%s: not set", name))
	}
	return value
}

// Get returns a variable, empty if it is not set.
func (e *Env) Get(name string) string {
	value, _ := e.lookup(name)
	return value
}

// Duration returns a variable such as 24h, or otherwise if it is not set.
func (e *Env) Duration(name string, otherwise time.Duration) time.Duration {
	text := e.Get(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		e.errs = append(e.errs, fmt.Errorf("%s: %q is no duration such as 24h", name, text))
	}
	return d
}

// Err returns all that is wrong.
func (e *Env) Err() error { return errors.Join(e.errs...) }

// Claims returns the claims in a DynamoDB table, which all functions share. It
// sends nothing yet.
func Claims(ctx context.Context, table string) (*dynamodb.Store, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return dynamodb.New(dynamodb.NewClient(cfg), dynamodb.Config{Table: table})
}
