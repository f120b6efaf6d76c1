package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/processor/fault"
)

// ErrEviction is wrapped by the error of the first call to a store on a server
// that may evict keys, and so forget what was processed.
var ErrEviction = errors.New("maxmemory-policy is not noeviction")

// open checks, at first use, that no server evicts and that the store has the
// layout of this worker. Concurrent first calls each check.
func (s *Store) open(ctx context.Context) error {
	if s.opened.Load() {
		return nil
	}
	if !s.assumeNoEviction {
		if err := s.checkEviction(ctx); err != nil {
			return err
		}
	}
	// The first shard is there whatever their number.
	r := &request{script: openScript, keys: base(&s.layout.shards[0]), args: []any{s.layout.text}}
	s.send(ctx, []*request{r})
	if r.err != nil {
		return fmt.Errorf("check layout: %w", r.err)
	}
	s.opened.Store(true)
	return nil
}

// checkEviction asks every server that holds keys for its policy.
func (s *Store) checkEviction(ctx context.Context) error {
	check := func(ctx context.Context, c redis.Cmdable) error {
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		switch policy := policyIn(info); policy {
		case "noeviction":
			return nil
		case "":
			return fault.Fatal(errors.New("INFO memory has no maxmemory_policy: " + assumption))
		default:
			return fault.Fatal(fmt.Errorf("%w but %s: the server would forget what was processed", ErrEviction, policy))
		}
	}
	var err error
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return check(ctx, c) })
	} else {
		err = check(ctx, s.client)
	}
	switch {
	case err == nil:
		return nil
	case fault.Is(err, fault.ClassFatal):
		return err
	}
	if _, ok := errors.AsType[redis.Error](err); ok {
		if code := codeOf(err.Error()); code == "NOPERM" || strings.Contains(err.Error(), "unknown command") {
			return fault.Fatal(fmt.Errorf("check maxmemory-policy with INFO: %w: %s", err, assumption))
		}
	}
	return fmt.Errorf("check maxmemory-policy: %w", s.classify(ctx, err))
}

const assumption = "allow INFO, or make sure that maxmemory-policy is noeviction and set AssumeNoEviction"

// policyIn returns the maxmemory-policy that INFO tells.
func policyIn(info string) string {
	lines := bufio.NewScanner(strings.NewReader(info))
	for lines.Scan() {
		if policy, ok := strings.CutPrefix(lines.Text(), "maxmemory_policy:"); ok {
			return policy
		}
	}
	return ""
}
