//go:build linux

package chaostest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// leaseID names a lease: the process that held it and its number there.
type leaseID struct{ worker, lease int32 }

// callID names a call of a process.
type callID struct{ worker, call int32 }

// call is a call of a worker to the store or the queue.
type call struct {
	deed // the last entry; To is never where there is no outcome
}

// confirmed reports whether the worker learned that it took effect.
func (c *call) confirmed() bool { return c.To != never && c.Err == "" }

func (c *call) String() string {
	return fmt.Sprintf("%s, call %d from %d to %d: %q, its time was up: %v", c.What, c.Call, c.From, c.To, c.Err, c.Ended)
}

// life is all that is known of one lease.
type life struct {
	id    leaseID
	file  int
	token string
	// asked and granted enclose the moment at which the store decided.
	asked, granted moment
	resumed        settled
	// held are the requests that gave it a full TTL and were answered: from
	// when one left to when the answer was there.
	held []span
	// marks is the progress that the store acknowledged.
	marks []mark
	// releasing and completing are when the first request of the kind left.
	releasing, completing moment
	// completed is the request to complete it that was acknowledged first, up to
	// when that was noted; never to never where there is none.
	completed span
	released  *mark // acknowledged
	// trouble are the calls on it that failed, or were not answered.
	trouble []span
	// waits are the calls on it that the store answered late, and denials those of
	// which it said that the lease was lost.
	waits, denials []span
}

// mark is progress that became durable some time within a span.
type mark struct {
	at span
	settled
}

// settled is what of a file is done, as the processor stores it with a claim.
type settled struct {
	Offset int64      `json:"o"`
	Spans  [][2]int64 `json:"r"`
}

func parseSettled(text string) (s settled, err error) {
	if text == "" {
		return s, nil
	}
	return s, json.Unmarshal([]byte(text), &s)
}

// covers reports whether the record that begins at offset is settled.
func (s *settled) covers(offset int64) bool {
	return offset < s.Offset || slices.ContainsFunc(s.Spans, func(p [2]int64) bool { return p[0] <= offset && offset < p[1] })
}

// lives is what the diaries of all workers tell.
type lives struct {
	calls  map[callID]*call
	leases map[leaseID]*life
	byFile map[int][]*life // in the order in which they were granted
	// By number of the process:
	stands    map[int][]span
	runs      map[int][]*call
	completes map[int][]*call // that were acknowledged
	spent     map[string]cost // on calls that were answered, by kind
}

// cost is what calls of a kind took, all together.
type cost struct {
	calls int
	time  time.Duration
}

// readLives reads the diaries of the processes.
func readLives(names map[int]string) (*lives, error) {
	l := newLives()
	for number, name := range names {
		deeds, err := readDiary(name)
		if err != nil {
			return nil, err
		}
		if err := l.tell(number, deeds); err != nil {
			return nil, fmt.Errorf("worker %d: %w", number, err)
		}
	}
	l.sort()
	return l, nil
}

func newLives() *lives {
	return &lives{
		calls: map[callID]*call{}, leases: map[leaseID]*life{}, byFile: map[int][]*life{},
		stands: map[int][]span{}, runs: map[int][]*call{}, completes: map[int][]*call{}, spent: map[string]cost{},
	}
}

// sort puts the leases of each file in order, once all diaries are told.
func (l *lives) sort() {
	for _, all := range l.byFile {
		slices.SortFunc(all, func(a, b *life) int { return cmp.Compare(a.granted, b.granted) })
	}
}

// tell adds the diary of one process.
func (l *lives) tell(number int, deeds []deed) error {
	asked := map[string]moment{} // by nonce
	var order []*call
	for _, e := range deeds {
		id := callID{int32(number), int32(e.Call)}
		switch c := l.calls[id]; {
		case e.What == didStand:
			l.stands[number] = append(l.stands[number], span{e.From, e.To})
		case c == nil:
			e.To = never
			l.calls[id] = &call{e}
			order = append(order, l.calls[id])
		default:
			c.deed = e
		}
	}
	for _, c := range order {
		if c.To != never {
			sum := l.spent[c.What]
			l.spent[c.What] = cost{sum.calls + 1, sum.time + time.Duration(c.To-c.From)}
		}
		switch {
		case c.What == didRun:
			l.runs[number] = append(l.runs[number], c)
		case c.What == didComplete && c.confirmed():
			l.completes[number] = append(l.completes[number], c)
		}
		if c.What == didClaim {
			if _, known := asked[c.Nonce]; !known {
				asked[c.Nonce] = c.From
			}
			for _, g := range c.Grants {
				if err := l.grant(number, g, asked[c.Nonce], c.To); err != nil {
					return err
				}
			}
			continue
		}
		for _, n := range c.Leases {
			if err := l.leases[leaseID{int32(number), int32(n)}].happened(c, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lives) grant(number int, g grant, asked, granted moment) error {
	id := leaseID{int32(number), int32(g.Lease)}
	if l.leases[id] != nil { // told again, after a lost answer
		return nil
	}
	resumed, err := parseSettled(g.Progress)
	if err != nil {
		return err
	}
	v := &life{
		id: id, file: g.File, token: g.Token, asked: asked, granted: granted, resumed: resumed,
		held: []span{{asked, granted}}, releasing: never, completing: never, completed: span{never, never},
	}
	l.leases[id] = v
	l.byFile[g.File] = append(l.byFile[g.File], v)
	return nil
}

// happened adds a call on the lease, whose number is n.
func (v *life) happened(c *call, n int) error {
	ok := c.confirmed() && !slices.Contains(c.Failed, n) && !slices.Contains(c.Lost, n)
	if !ok && !slices.Contains(c.Lost, n) {
		v.trouble = append(v.trouble, span{c.From, c.To})
	}
	switch {
	case slices.Contains(c.Lost, n):
		v.denials = append(v.denials, span{c.From, c.To})
	case ok && time.Duration(c.To-c.From) > stood:
		v.waits = append(v.waits, span{c.From, c.To})
	}
	progress, err := parseSettled(c.Progress[n])
	if err != nil {
		return err
	}
	switch c.What {
	case didExtend:
		if ok {
			v.held = append(v.held, span{c.From, c.To})
			v.marks = append(v.marks, mark{span{c.From, c.To}, progress})
		}
	case didRelease:
		v.releasing = min(v.releasing, c.From)
		if ok {
			v.released = &mark{span{c.From, c.To}, progress}
			v.marks = append(v.marks, *v.released)
		}
	case didComplete:
		v.completing = min(v.completing, c.From)
		if ok && c.To < v.completed.to {
			v.completed = span{c.From, c.To}
		}
	}
	return nil
}

// lastHeld is the last moment before t from which the lease certainly had a
// full TTL.
func (v *life) lastHeld(t moment) moment {
	last := v.asked
	for _, h := range v.held {
		if h.from < t {
			last = max(last, h.from)
		}
	}
	return last
}

// run returns the run of a process that was under way at t: it may have no
// outcome. It is nil where there was none.
func (l *lives) run(worker int, t moment) *call {
	runs := l.runs[worker]
	i, _ := slices.BinarySearchFunc(runs, t, func(r *call, t moment) int { return cmp.Compare(r.To, t) })
	if i < len(runs) && runs[i].From <= t {
		return runs[i]
	}
	return nil
}

// stood returns when a process stood still that has a moment in common with a.
func (l *lives) stood(worker int, a span) []span {
	all := l.stands[worker] // one after the other
	from, _ := slices.BinarySearchFunc(all, a.from, func(s span, t moment) int { return cmp.Compare(s.to, t) })
	to, _ := slices.BinarySearchFunc(all, a.to, func(s span, t moment) int { return cmp.Compare(s.from, t+1) })
	return all[min(from, to):to]
}

// next returns the leases of the same file of which one was the next that was
// granted after v: more than one where answers of the store came late.
func (l *lives) next(v *life) []*life {
	all := l.byFile[v.file]
	all = all[slices.Index(all, v)+1:]
	for i, n := range all {
		if n.asked > v.granted {
			return all[:i+1]
		}
	}
	return all
}

// quiet returns the longest stretch of a that is in none of spans.
func quiet(a span, spans []span) time.Duration {
	spans = slices.SortedFunc(slices.Values(spans), func(a, b span) int { return cmp.Compare(a.from, b.from) })
	longest, from := moment(0), a.from
	for _, s := range spans {
		longest = max(longest, min(s.from, a.to)-from)
		from = max(from, s.to)
	}
	return time.Duration(max(longest, a.to-from))
}

// overlap is how much of a any of spans covers, at most.
func overlap(a span, spans []span) (total time.Duration) {
	for _, s := range spans {
		if from, to := max(a.from, s.from), min(a.to, s.to); from < to {
			total += time.Duration(to - from)
		}
	}
	return total
}

// touches reports whether any of spans has a moment in common with a.
func touches(a span, spans []span) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= a.to && a.from <= s.to })
}
