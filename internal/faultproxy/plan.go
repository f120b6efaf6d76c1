package faultproxy

import (
	"math/rand/v2"
	"time"
)

// Odds says how likely each fault is for a connection, from 0 to 1. At most
// one is chosen for each.
type Odds struct {
	Refuse, LoseAnswers, Cut, Slow float64
}

// Random returns a plan in which the n-th connection always meets the same
// fault, decided by the seed. A connection to be cut is cut within its first
// 64 KiB of requests; one that is slow takes up to 50 ms for each chunk.
func Random(seed uint64, odds Odds) func(n int) Fault {
	return func(n int) Fault {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		at := r.Float64()
		below := func(p float64) bool {
			at -= p
			return at < 0
		}
		switch {
		case below(odds.Refuse):
			return Fault{Refuse: true}
		case below(odds.LoseAnswers):
			return Fault{LoseAnswers: true}
		case below(odds.Cut):
			return Fault{CutAfter: 1 + r.Int64N(64<<10)}
		case below(odds.Slow):
			return Fault{Delay: time.Duration(1+r.IntN(50)) * time.Millisecond}
		}
		return Fault{}
	}
}
