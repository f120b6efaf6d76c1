package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

const (
	// repeatable is how long a release that left nothing to remember can be
	// repeated.
	repeatable = 10 * time.Minute
	// maxReasonBytes is how much of a reason is kept.
	maxReasonBytes = 1024
)

func base(s *shard) []string     { return []string{s.meta, s.work} }
func withBack(s *shard) []string { return []string{s.meta, s.work, s.back} }
func withDone(s *shard) []string { return []string{s.meta, s.work, s.done} }

// Answers of the script for one name.
const (
	answerGranted = 1
	answerHeld    = 2
	answerDone    = 3
	answerOld     = 4
)

// Claim implements [claim.Claimer].
func (s *Store) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if err := lease.Begin(ctx, "claim"); err != nil || len(keys) == 0 {
		return nil, err
	}
	if err := lease.CheckTTL("claim", ttl); err != nil {
		return nil, err
	}
	if err := lease.CheckNonce(nonce); err != nil {
		return nil, err
	}
	results := make([]claim.Result, len(keys))
	var failures lease.Failures
	c := s.newCall("claim", claimScript, withBack, owner, nonce, span(ttl), s.horizonText())
	// Scripts know a repeated call by its nonce: they must not see a name
	// twice in one.
	first := make(map[string]int, len(keys))
	var twice []int
	for i, key := range keys {
		if err := claim.CheckKey(key); err != nil {
			failures.Add(i, err)
			continue
		}
		if _, ok := first[key]; ok {
			twice = append(twice, i)
			continue
		}
		first[key] = i
		n, bucket := s.layout.place(key)
		time, period := s.age(key)
		r := c.add(i, n)
		r.keys = append(r.keys, s.layout.shards[n].bucket(period, bucket))
		r.args = append(r.args, key)
		if s.layout.horizon > 0 {
			r.args = append(r.args, time)
		}
	}
	if err := c.run(ctx, &failures); err != nil {
		return nil, err
	}
	failed := make(map[int]error)
	for _, r := range c.requests {
		if r.err != nil {
			for _, i := range r.entries {
				failed[i] = r.err
			}
			continue
		}
		if err := s.granted(r, keys, results); err != nil {
			return nil, err
		}
	}
	for _, i := range twice {
		at := first[keys[i]]
		if err := failed[at]; err != nil {
			failures.Add(i, fmt.Errorf("claim: %w", err))
			continue
		}
		results[i].Status = results[at].Status
		if results[i].Status == claim.Granted {
			results[i].Status = claim.Held
		}
	}
	return results, sorted(&failures)
}

// granted reads the answer to a request for names.
func (s *Store) granted(r *request, keys []string, results []claim.Result) error {
	if len(r.answer) != len(r.entries)+1 {
		return malformed("claim")
	}
	token, _ := r.answer[0].(string)
	for n, answer := range r.answer[1:] {
		i := r.entries[n]
		switch a := answer.(type) {
		case int64:
			switch a {
			case answerGranted:
				results[i] = claim.Result{Status: claim.Granted, Lease: claim.Lease{Key: keys[i], Token: token, Attempt: 1}}
			case answerHeld:
				results[i].Status = claim.Held
			case answerDone:
				results[i].Status = claim.Done
			case answerOld:
				results[i].Status = claim.Done
				s.skipped.Add(1)
			}
		case []any: // token, attempt, progress
			if len(a) == 3 {
				l := claim.Lease{Key: keys[i], Attempt: int(number(a[1]))}
				l.Token, _ = a[0].(string)
				l.Progress, _ = a[2].(string)
				results[i] = claim.Result{Status: claim.Granted, Lease: l}
			}
		}
		if results[i].Status == 0 {
			return malformed("claim")
		}
	}
	return nil
}

// Extend implements [claim.Claimer].
func (s *Store) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := lease.Begin(ctx, "extend"); err != nil || len(leases) == 0 {
		return err
	}
	if err := lease.CheckTTL("extend", ttl); err != nil {
		return err
	}
	var failures lease.Failures
	c := s.newCall("extend", extendScript, base, span(ttl))
	for i, l := range leases {
		if err := claim.CheckProgress(l); err != nil {
			failures.Add(i, err)
			continue
		}
		n, _ := s.layout.place(l.Key)
		r := c.add(i, n)
		r.args = append(r.args, l.Key, l.Token, l.Progress)
	}
	return c.finish(ctx, &failures, func(i int) string { return leases[i].Key })
}

// Complete implements [claim.Claimer].
func (s *Store) Complete(ctx context.Context, leases []claim.Lease) error {
	if err := lease.Begin(ctx, "complete"); err != nil || len(leases) == 0 {
		return err
	}
	var failures lease.Failures
	c := s.newCall("complete", completeScript, withDone, s.periodText(), s.horizonText())
	for i, l := range leases {
		n, bucket := s.layout.place(l.Key)
		_, period := s.age(l.Key)
		r := c.add(i, n)
		r.keys = append(r.keys, s.layout.shards[n].bucket(period, bucket))
		r.args = append(r.args, l.Key, l.Token, period)
	}
	return c.finish(ctx, &failures, func(i int) string { return leases[i].Key })
}

// Release implements [claim.Claimer]. Of a reason, 1,024 bytes are kept. A
// release that leaves nothing to remember may be repeated for 10 minutes.
func (s *Store) Release(ctx context.Context, returns []claim.Return) error {
	if err := lease.Begin(ctx, "release"); err != nil || len(returns) == 0 {
		return err
	}
	var failures lease.Failures
	c := s.newCall("release", releaseScript, withBack, span(repeatable))
	for i, back := range returns {
		if err := claim.CheckProgress(back.Lease); err != nil {
			failures.Add(i, err)
			continue
		}
		counted := "0"
		if back.Counted {
			counted = "1"
		}
		n, _ := s.layout.place(back.Lease.Key)
		r := c.add(i, n)
		r.args = append(r.args, back.Lease.Key, back.Lease.Token, counted, span(back.Delay), back.Lease.Progress, shortened(back.Reason))
	}
	return c.finish(ctx, &failures, func(i int) string { return returns[i].Lease.Key })
}

// finish runs a call whose answer is the entries that were lost.
func (c *call) finish(ctx context.Context, failures *lease.Failures, key func(i int) string) error {
	if err := c.run(ctx, failures); err != nil {
		return err
	}
	if err := c.lost(failures, key); err != nil {
		return err
	}
	return sorted(failures)
}

// span is a time to wait, in µs and rounded up, as far as a script can reckon
// with it.
func span(d time.Duration) int64 {
	const most = int64(1) << 52 // 142 years
	if d <= 0 {
		return 0
	}
	return min(most, int64((d-1)/time.Microsecond)+1)
}

// age returns the time of a name as scripts want it, and its period.
func (s *Store) age(key string) (time, period string) {
	if s.layout.horizon == 0 {
		return "", ""
	}
	t, ok := s.keyTime(key)
	if !ok {
		return "", ""
	}
	return strconv.FormatInt(micros(t), 10), s.layout.periodOf(t)
}

func (s *Store) horizonText() string { return orEmpty(s.layout.horizon) }
func (s *Store) periodText() string  { return orEmpty(s.layout.period) }

// orEmpty is a time in µs, as text, or "" for none.
func orEmpty(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(d.Microseconds(), 10)
}

// shortened cuts a reason to what is kept.
func shortened(reason string) string {
	if len(reason) <= maxReasonBytes {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReasonBytes], "")
}

// number is an integer in an answer.
func number(v any) int64 {
	n, _ := v.(int64)
	return n
}
