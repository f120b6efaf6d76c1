//go:build linux

package chaostest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/unspool-go/unspool/internal/faultproxy"
)

// event is one thing that goes wrong.
type event struct {
	// at is when: once so much of the work is done, from 0 to 1. Were it a time,
	// a slow machine would be left in peace until nothing is done any more.
	at     float64
	kind   eventKind
	worker int // the slot of a worker, not the number of its process
	link   linkKind
	fault  faultproxy.Fault
	span   time.Duration // of a stall or a fault
}

type eventKind string

const (
	killWorker   eventKind = "kill"
	stallWorker  eventKind = "stall"
	cutLink      eventKind = "cut"
	restartStore eventKind = "restart"
)

// linkKind says what a worker's connections lead to.
type linkKind int

const (
	toStore linkKind = iota
	toQueue
	linkKinds
)

func (k linkKind) String() string { return [...]string{"store", "queue"}[k] }

func (e event) String() string {
	switch e.kind {
	case killWorker:
		return fmt.Sprintf("%.3f kill worker %d", e.at, e.worker)
	case stallWorker:
		return fmt.Sprintf("%.3f stop worker %d for %v", e.at, e.worker, e.span)
	case restartStore:
		return fmt.Sprintf("%.3f restart the store", e.at)
	case cutLink:
	}
	return fmt.Sprintf("%.3f worker %d to the %v for %v: %+v", e.at, e.worker, e.link, e.span, e.fault)
}

// schedule is what the seed says is to go wrong, in the order in which it does.
func (o options) schedule() []event {
	r := rand.New(rand.NewPCG(o.seed, 1<<32))
	var events []event
	add := func(n int, kind eventKind) {
		for range n {
			events = append(events, event{at: 0.02 + 0.93*r.Float64(), kind: kind, worker: r.IntN(o.workers)})
		}
	}
	add(o.kills, killWorker)
	add(o.stalls, stallWorker)
	add(o.cuts, cutLink)
	add(o.restarts, restartStore)
	for i := range events {
		switch e := &events[i]; e.kind {
		case stallWorker: // longer than the lease, mostly
			e.span = o.lease/2 + time.Duration(r.Int64N(int64(3*o.lease/2)))
		case cutLink:
			e.link = linkKind(r.IntN(int(linkKinds)))
			e.span = time.Duration(r.Int64N(int64(3 * o.lease / 2)))
			switch r.IntN(6) {
			case 0: // what is there is cut, once
				e.span = 0
			case 1:
				e.fault.Refuse = true
			case 2, 3:
				e.fault.Hole = true
			case 4:
				e.fault.LoseAnswers = true
			case 5:
				e.fault.Delay = time.Duration(1+r.IntN(200)) * time.Millisecond
			}
		case killWorker, restartStore:
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}
