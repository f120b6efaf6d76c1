package claimtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

// link is a way to a store in memory, with faults like those of a network, and
// a defect of the client where the functions say so.
type link struct {
	store              claim.Claimer
	mute, away, partly bool

	failed  func(l *link, err error) error // what the caller is told of a fault
	nonce   func(l *link, nonce string) string
	tokens  func(l *link, leases []claim.Lease) []claim.Lease
	batch   func(err error) error // what the caller is told of a part that failed
	results func(r []claim.Result) []claim.Result
	skew    time.Duration
	used    string // a nonce
}

var errCut = errors.New("connection reset")

// do runs f on the entries that get through.
func (l *link) do(n int, f func(through []int) error) error {
	told := fault.Interrupted(errCut)
	if l.failed != nil {
		told = l.failed(l, told)
	}
	if l.away {
		return told
	}
	var through []int
	var failures claim.BatchError
	for i := range n {
		if l.partly && i%2 == 1 {
			failures.Failed = append(failures.Failed, claim.EntryError{Index: i, Err: fault.Interrupted(errCut)})
		} else {
			through = append(through, i)
		}
	}
	err := f(through)
	switch {
	case l.mute:
		return told
	case err != nil:
		return err // no rule loses a lease where a part is away
	case len(failures.Failed) == 0:
		return nil
	case l.batch != nil:
		return l.batch(&failures)
	}
	return &failures
}

func pick[T any](all []T, indexes []int) []T {
	picked := make([]T, len(indexes))
	for i, at := range indexes {
		picked[i] = all[at]
	}
	return picked
}

func (l *link) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if l.nonce != nil {
		nonce = l.nonce(l, nonce)
	}
	results := make([]claim.Result, len(keys))
	err := l.do(len(keys), func(through []int) error {
		r, err := l.store.Claim(ctx, owner, nonce, pick(keys, through), ttl+l.skew)
		for i, at := range through {
			results[at] = r[i]
		}
		return err
	})
	if l.results != nil {
		results = l.results(results)
	}
	return results, err
}

func (l *link) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	return l.do(len(leases), func(through []int) error {
		return l.store.Extend(ctx, pick(l.own(leases), through), ttl+l.skew)
	})
}

func (l *link) Complete(ctx context.Context, leases []claim.Lease) error {
	return l.do(len(leases), func(through []int) error { return l.store.Complete(ctx, pick(l.own(leases), through)) })
}

func (l *link) Release(ctx context.Context, returns []claim.Return) error {
	return l.do(len(returns), func(through []int) error { return l.store.Release(ctx, pick(returns, through)) })
}

func (l *link) own(leases []claim.Lease) []claim.Lease {
	if l.tokens == nil {
		return leases
	}
	return l.tokens(l, slices.Clone(leases))
}

// fleet is a sound store, whose other clients are made by worker and faulty.
func fleet(worker func(claim.Claimer, time.Duration) claim.Claimer, faulty link) func() Fleet {
	return func() Fleet {
		s := memory.New()
		return Fleet{
			Store:  s,
			Worker: func(_ testing.TB, skew time.Duration) claim.Claimer { return worker(s, skew) },
			Faulty: func(testing.TB) Faulty {
				l := faulty
				l.store = s
				return Faulty{
					Store:  &l,
					Mute:   func(on bool) { l.mute = on },
					Away:   func(on bool) { l.away = on },
					Partly: func(on bool) { l.partly = on },
				}
			},
		}
	}
}

func sound(s claim.Claimer, _ time.Duration) claim.Claimer { return s }

func TestASoundFleetBreaksNoRule(t *testing.T) {
	require.Empty(t, fleetFailures(t, fleet(sound, link{})))
}

// Each of these defects shows only where several workers, or a fault, come
// together: it must break its rule, and no other.
func TestEachDefectOfAFleetBreaksItsRuleAlone(t *testing.T) {
	for name, c := range map[string]struct {
		worker func(claim.Claimer, time.Duration) claim.Claimer
		faulty link
		rule   string
	}{
		"tokens are those of a client": {worker: func(s claim.Claimer, _ time.Duration) claim.Claimer {
			return &link{store: s, tokens: func(_ *link, leases []claim.Lease) []claim.Lease {
				for i := range leases {
					if leases[i].Key == "k" {
						leases[i].Token += "?"
					}
				}
				return leases
			}}
		}, rule: "SideBySide"},
		"nonces are those of a client": {worker: func(s claim.Claimer, _ time.Duration) claim.Claimer {
			return &link{store: s, nonce: func(_ *link, nonce string) string { return "client-2-" + nonce }}
		}, rule: "SideBySide"},
		"the worker's clock is taken": {worker: func(s claim.Claimer, skew time.Duration) claim.Claimer {
			return &link{store: s, skew: skew}
		}, rule: "SkewedClocks"},
		"a lease lasts ten times as long": {worker: func(s claim.Claimer, skew time.Duration) claim.Claimer {
			if skew < 0 {
				return &link{store: s, skew: time.Minute}
			}
			return s
		}, rule: "SkewedClocks"},
		"a repeated call has a nonce of its own": {faulty: link{nonce: func(l *link, nonce string) string {
			if l.mute {
				l.used = nonce
			} else if l.used == nonce {
				nonce += "again"
			}
			return nonce
		}}, rule: "LostAnswers"},
		"a lost answer is taken for success": {faulty: link{failed: func(*link, error) error {
			return nil
		}}, rule: "LostAnswers Outage"},
		"an outage is fatal": {faulty: link{failed: func(l *link, err error) error {
			if l.away {
				return fault.Fatal(err)
			}
			return err
		}}, rule: "Outage"},
		"a lost answer is fatal": {faulty: link{failed: func(l *link, err error) error {
			if l.mute {
				return fault.Fatal(err)
			}
			return err
		}}, rule: "LostAnswers"},
		"an outage is unmarked": {faulty: link{failed: func(*link, error) error {
			return errCut
		}}, rule: "LostAnswers Outage"},
		"an outage loses leases": {faulty: link{failed: func(*link, error) error {
			return fault.Interrupted(claim.ErrLost)
		}}, rule: "LostAnswers Outage"},
		"a part that is away fails all": {faulty: link{batch: func(error) error {
			return fault.Interrupted(errCut)
		}}, rule: "PartOfAStore"},
		"a part that is away is fatal": {faulty: link{batch: func(err error) error {
			batch, _ := errors.AsType[*claim.BatchError](err)
			batch.Failed[0].Err = fault.Fatal(errCut)
			return err
		}}, rule: "PartOfAStore"},
		"a failed entry is left out": {faulty: link{batch: func(err error) error {
			batch, _ := errors.AsType[*claim.BatchError](err)
			batch.Failed = batch.Failed[1:]
			return err
		}}, rule: "PartOfAStore"},
		"a failed entry is held": {faulty: link{results: func(r []claim.Result) []claim.Result {
			for i := range r {
				if r[i].Status == 0 {
					r[i].Status = claim.Held
				}
			}
			return r
		}}, rule: "PartOfAStore"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.worker == nil {
				c.worker = sound
			}
			broken := fleetFailures(t, fleet(c.worker, c.faulty))
			want := strings.Fields(c.rule)
			require.ElementsMatch(t, want, slices.Collect(maps.Keys(broken)), "%v", broken)
			for _, rule := range want {
				require.Contains(t, broken[rule], "broken rule: "+text(rule))
			}
		})
	}
}
