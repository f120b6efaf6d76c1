package completion_test

import (
	"container/heap"
	"time"
)

// agenda is what is to happen when, in a bubble of testing/synctest: all of it in one
// goroutine, so that it happens in the same order each time.
type agenda struct {
	entries entries
	planned int
}

type entry struct {
	at  time.Time
	n   int // in order where the time is the same
	act func()
}

// in plans something.
func (a *agenda) in(d time.Duration, act func()) {
	a.planned++
	heap.Push(&a.entries, entry{time.Now().Add(d), a.planned, act})
}

// run goes through with it, and with what it plans in turn.
func (a *agenda) run() {
	for len(a.entries) > 0 {
		e := heap.Pop(&a.entries).(entry)
		time.Sleep(time.Until(e.at))
		e.act()
	}
}

type entries []entry

func (e entries) Len() int { return len(e) }
func (e entries) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].n < e[j].n
}
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)   { *e = append(*e, x.(entry)) }
func (e *entries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}
