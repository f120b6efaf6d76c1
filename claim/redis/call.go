package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/processor/fault"
)

// scriptNames is the most names in one run of a script. It bounds for how long
// the server does nothing else, about 1 ms, and what Lua must hold on its
// stack.
const scriptNames = 512

// request is one run of a script: on names of one shard.
type request struct {
	script *redis.Script
	keys   []string
	args   []any
	// entries are the indexes of the caller's entries that it is about.
	entries []int
	answer  []any
	err     error // classified
}

// call groups the entries of one call by shard.
type call struct {
	store    *Store
	op       string
	script   *redis.Script
	keys     func(*shard) []string // that a request begins with
	args     []any                 // that a request begins with
	open     []*request            // by shard: that which has room
	requests []*request
}

// newCall begins a call of up to n entries.
func (s *Store) newCall(op string, script *redis.Script, keys func(*shard) []string, args ...any) *call {
	return &call{
		store:  s,
		op:     op,
		script: script,
		keys:   keys,
		args:   append([]any{s.layout.text}, args...),
		open:   make([]*request, len(s.layout.shards)),
	}
}

// add returns the request of entry i, which is about a name of the shard. The
// caller adds keys and args of the entry to it.
func (c *call) add(i, shard int) *request {
	r := c.open[shard]
	if r == nil || len(r.entries) == scriptNames {
		r = &request{
			script: c.script,
			keys:   c.keys(&c.store.layout.shards[shard]),
			args:   slices.Clone(c.args),
		}
		c.open[shard] = r
		c.requests = append(c.requests, r)
	}
	r.entries = append(r.entries, i)
	return r
}

// run sends all requests and adds the entries of those that failed to
// failures. It returns an error where the whole call failed.
func (c *call) run(ctx context.Context, failures *lease.Failures) error {
	if len(c.requests) == 0 {
		return nil
	}
	if err := c.store.begin(ctx, c.op, c.requests); err != nil {
		return err
	}
	return outcome(c.op, c.requests, failures)
}

// outcome adds the entries of the requests that failed to failures. Where none
// succeeded, or one met what can never work, it returns that instead.
func outcome(op string, requests []*request, failures *lease.Failures) error {
	succeeded := false
	var first error
	for _, r := range requests {
		switch {
		case r.err == nil:
			succeeded = true
		case fault.Is(r.err, fault.ClassFatal):
			return fmt.Errorf("%s: %w", op, r.err)
		case first == nil:
			first = r.err
		}
	}
	if first != nil && !succeeded {
		return fmt.Errorf("%s: %w", op, first)
	}
	for _, r := range requests {
		if r.err != nil {
			for _, i := range r.entries {
				failures.Add(i, fmt.Errorf("%s: %w", op, r.err))
			}
		}
	}
	return nil
}

// begin checks the servers at first use, and then sends the requests.
func (s *Store) begin(ctx context.Context, op string, requests []*request) error {
	if err := s.open(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	s.send(ctx, requests)
	return nil
}

// send runs the requests in one pipeline, and those whose script the server
// does not know in a second.
func (s *Store) send(ctx context.Context, requests []*request) {
	if unknown := s.round(ctx, requests, (*redis.Script).EvalSha); len(unknown) > 0 {
		s.round(ctx, unknown, (*redis.Script).Eval)
	}
}

type eval = func(sc *redis.Script, ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// round sends the requests in one round trip, in parallel where they go to
// several servers. It returns those whose script was unknown.
func (s *Store) round(ctx context.Context, requests []*request, run eval) []*request {
	commands := make([]*redis.Cmd, len(requests))
	if len(requests) == 1 {
		commands[0] = run(requests[0].script, ctx, s.client, requests[0].keys, requests[0].args...)
	} else {
		pipe := s.client.Pipeline()
		for i, r := range requests {
			commands[i] = run(r.script, ctx, pipe, r.keys, r.args...)
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
	}
	var unknown []*request
	for i, r := range requests {
		r.answer, r.err = nil, nil
		value, err := commands[i].Result()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			unknown = append(unknown, r)
		}
		switch list := value.(type) {
		case []any:
			r.answer = list
		case int64: // of a script that has nothing to tell
		default:
			if err == nil {
				err = fault.Fatal(fmt.Errorf("the script answered with %T", value))
			}
		}
		if err != nil {
			r.err = s.classify(ctx, err)
		}
	}
	return unknown
}

// lost adds the entries that the requests name as lost to failures.
func (c *call) lost(failures *lease.Failures, key func(i int) string) error {
	for _, r := range c.requests {
		if r.err != nil {
			continue
		}
		for _, answer := range r.answer {
			n, ok := answer.(int64)
			if !ok || n < 1 || n > int64(len(r.entries)) {
				return malformed(c.op)
			}
			i := r.entries[n-1]
			failures.Add(i, lease.Lost(c.op, key(i)))
		}
	}
	return nil
}

// sorted is the error of the failures, in the order of entries.
func sorted(failures *lease.Failures) error {
	err := failures.Err()
	if batch, ok := errors.AsType[*claim.BatchError](err); ok {
		slices.SortFunc(batch.Failed, func(a, b claim.EntryError) int { return a.Index - b.Index })
	}
	return err
}

// malformed is the error of an answer that no script of this version gives.
func malformed(op string) error {
	return fault.Fatal(fmt.Errorf("%s: the script's answer makes no sense", op))
}
