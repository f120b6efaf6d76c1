package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/processor/fault"
)

// ErrEviction is wrapped by the error of the first call to a store on a server
// that may evict keys, and so forget what was processed.
var ErrEviction = errors.New("maxmemory-policy is not noeviction")

// open checks, at first use, that no server evicts and that the store has the
// layout of this worker. Concurrent first calls each check. Where a part of a
// cluster is away it checks the rest, and the next call checks again: what is
// away will say so itself.
func (s *Store) open(ctx context.Context) error {
	if s.opened.Load() {
		return nil
	}
	var away error
	if !s.assumeNoEviction {
		away = s.checkEviction(ctx)
	}
	if away == nil || s.goesOn(away) {
		away = errors.Join(away, s.checkLayout(ctx))
	}
	switch {
	case away == nil:
		s.opened.Store(true)
		return nil
	case s.goesOn(away):
		return nil
	}
	return away
}

// goesOn reports whether a store that meets err may do without what failed.
func (s *Store) goesOn(err error) bool { return s.cluster && fault.Is(err, fault.ClassInterrupted) }

func (s *Store) checkLayout(ctx context.Context) error {
	r := &request{script: openScript, keys: []string{s.layout.whole}, args: []any{s.layout.text}}
	s.send(ctx, []*request{r})
	if r.err != nil {
		return fmt.Errorf("check layout: %w", r.err)
	}
	return nil
}

// checkEviction asks every server that holds keys for its policy.
func (s *Store) checkEviction(ctx context.Context) error {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.checkPolicy(ctx, s.client)
	}
	var (
		mu   sync.Mutex
		errs []error // those that are fatal first
	)
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		err := s.checkPolicy(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		if fault.Is(err, fault.ClassFatal) {
			errs = slices.Insert(errs, 0, err)
		} else if err != nil {
			errs = append(errs, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find the servers of the cluster: %w", s.classify(ctx, err))
	}
	return errors.Join(errs...)
}

func (s *Store) checkPolicy(ctx context.Context, c redis.Cmdable) error {
	info, err := c.Info(ctx, "memory").Result()
	if err != nil {
		if answer, ok := errors.AsType[redis.Error](err); ok {
			if text := answer.Error(); codeOf(text) == "NOPERM" || strings.Contains(text, "unknown command") {
				return fault.Fatal(fmt.Errorf("check maxmemory-policy with INFO: %w: %s", err, assumption))
			}
		}
		return fmt.Errorf("check maxmemory-policy: %w", s.classify(ctx, err))
	}
	switch policy := policyIn(info); policy {
	case "noeviction":
		return nil
	case "":
		return fault.Fatal(errors.New("check maxmemory-policy: INFO does not tell it: " + assumption))
	default:
		return fault.Fatal(fmt.Errorf("%w but %s: the server would forget what was processed", ErrEviction, policy))
	}
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
