//go:build linux

package chaostest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// excuse is a history in which worker 1 has to send again, at second 10, what
// worker 0 had sent at second 2; and histories that look like it, in which
// there was no need to.
type excuse struct {
	why    cause
	lawful func(s *scene)
	not    map[string]func(s *scene)
}

// beats has worker 0 extend its lease, of two seconds, every half second up to
// the given one.
func (s *scene) beats(until moment) {
	for n, at := 10, second; at <= until; n, at = n+1, at+second/2 {
		s.note(0, deed{What: didExtend, Call: n, From: at, To: at + 1, Leases: []int{1}})
	}
}

// stood has a worker not run.
func (s *scene) stood(worker int, from, to moment) {
	s.diaries[worker] = append(s.diaries[worker], deed{What: didStand, From: from, To: to})
}

// unsure has the call that sent the records fail at second to.
func (s *scene) unsure(to moment, timeUp bool) {
	s.without(0, 3, true)
	for i := range s.diaries[0] {
		if e := &s.diaries[0][i]; e.Call == 2 && e.To != 0 {
			e.To, e.Err, e.Ended, e.Until = to, "reset", timeUp, 2*second+second/2
		}
	}
}

// late has worker 0 extend its lease until second 9, and send while worker 1 does.
func (s *scene) late() {
	s.without(0, 3, true)
	s.beats(9 * second)
	for i := range s.diaries[0] {
		if e := &s.diaries[0][i]; e.Call == 2 {
			e.From = 10*second + 3
			if e.To != 0 {
				e.To = 10*second + 5
			}
		}
	}
	for i := range s.deliveries {
		s.deliveries[i].at = 10*second + 4
	}
}

// completedLate has worker 0 begin to complete its claim at the given moment, and
// note the answer at second 9.
func (s *scene) completedLate(from moment) {
	for i := range s.diaries[0] {
		if e := &s.diaries[0][i]; e.Call == 3 {
			e.From = from
			if e.To != 0 {
				e.To = 9 * second
			}
		}
	}
}

// forgets has the store fall back, at second 5, to where it was at kept.
func (s *scene) forgets(kept moment) {
	s.history.rollbacks = []rollback{{kept, span{5 * second, 6 * second}}}
}

// Leases last two seconds, and sends half a second.
var excuses = []excuse{
	{
		byKill,
		func(s *scene) { s.without(0, 3, false); s.beats(8 * second); s.history.killed[0] = 9 * second },
		map[string]func(s *scene){
			"the other was killed": func(s *scene) { s.without(0, 3, true); s.beats(8 * second); s.history.killed[1] = 12 * second },
			"killed when it was taken over": func(s *scene) {
				s.without(0, 3, true)
				s.beats(7 * second)
				s.history.killed[0] = 11 * second
			},
			"killed, but it had stopped to extend it before": func(s *scene) {
				s.without(0, 3, true)
				s.beats(6 * second)
				s.history.killed[0] = 9 * second
			},
			"killed, but it was overdue": func(s *scene) {
				s.without(0, 3, true)
				s.beats(8 * second)
				for n := range patient + 1 {
					s.note(0, deed{What: didComplete, Call: 100 + n, From: 3*second + moment(n), To: 4*second + moment(n)})
				}
				s.history.killed[0] = 9 * second
			},
			"killed, but its run was over": func(s *scene) {
				s.without(0, 3, true)
				s.beats(8 * second)
				s.note(0, deed{What: didRun, Call: 50, From: 0, To: 8*second + 2, Run: &outcome{}})
				s.history.killed[0] = 9 * second
			},
		},
	},
	{
		byKill, // before it learned of the answer
		func(s *scene) { s.without(0, 2, false); s.without(0, 3, true); s.history.killed[0] = 3 * second },
		map[string]func(s *scene){
			"it was not killed": func(s *scene) { s.without(0, 2, false); s.without(0, 3, true) },
		},
	},
	{
		byStop,
		func(s *scene) {
			s.without(0, 3, true)
			s.beats(4 * second)
			s.history.stopped[0] = []span{{5 * second, 9 * second}}
		},
		map[string]func(s *scene){
			"the other was stopped": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.stopped[1] = []span{{5 * second, 9 * second}}
			},
			"stopped too late": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.stopped[0] = []span{{6*second + 1, 9 * second}}
			},
			"stopped too briefly": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.stopped[0] = []span{{4*second + second/8, 4*second + second/3}}
			},
			"stopped before": func(s *scene) {
				s.without(0, 3, true)
				s.beats(7*second + second/2)
				s.history.stopped[0] = []span{{3 * second, 7 * second}}
			},
			"given back": func(s *scene) {
				s.without(0, 3, true)
				s.note(0, deed{What: didRelease, Call: 4, From: 9 * second, To: 9*second + 1, Leases: []int{1}})
				s.history.stopped[0] = []span{{3 * second, 9 * second}}
			},
			"completed": func(s *scene) { s.history.stopped[0] = []span{{3 * second, 9 * second}} },
		},
	},
	{
		byStop, // and came back long before another asked for the file
		func(s *scene) {
			s.without(0, 3, true)
			s.beats(4 * second)
			s.history.stopped[0] = []span{{5 * second, 6*second + second/2}}
		},
		nil,
	},
	{
		byStop, // while it waited for the answer
		func(s *scene) { s.unsure(4*second, true); s.history.stopped[0] = []span{{2 * second, 4 * second}} },
		map[string]func(s *scene){
			"stopped, but it had time": func(s *scene) {
				s.unsure(2*second+second/4, false)
				s.history.stopped[0] = []span{{2 * second, 4 * second}}
			},
		},
	},
	{
		byStand,
		func(s *scene) { s.without(0, 3, true); s.beats(4 * second); s.stood(0, 5*second, 9*second) },
		map[string]func(s *scene){
			"the other stood": func(s *scene) { s.without(0, 3, true); s.beats(4 * second); s.stood(1, 5*second, 9*second) },
			"stood too briefly": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.stood(0, 4*second+second/8, 4*second+second/3)
			},
			"stood when it lost": func(s *scene) { s.without(0, 3, true); s.beats(4 * second); s.stood(0, 9*second, 11*second) },
		},
	},
	{
		byStand, // while it waited for the answer
		func(s *scene) { s.unsure(3*second, true); s.stood(0, 2*second, 3*second) },
		map[string]func(s *scene){
			"stood later": func(s *scene) { s.unsure(2*second+second/4, true); s.stood(0, 3*second, 4*second) },
		},
	},
	{
		byStore,
		func(s *scene) {
			s.without(0, 3, true)
			s.beats(4 * second)
			s.history.cut[0] = []linkCut{{toStore, span{5 * second, 8 * second}}}
		},
		map[string]func(s *scene){
			"cut off from the queue": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.cut[0] = []linkCut{{toQueue, span{5 * second, 8 * second}}}
			},
			"the other was cut off": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.cut[1] = []linkCut{{toStore, span{5 * second, 8 * second}}}
			},
			"cut off for a moment": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.cut[0] = []linkCut{{toStore, span{3 * second, 3 * second}}}
			},
		},
	},
	{
		byRestart,
		func(s *scene) {
			s.without(0, 3, true)
			s.beats(4 * second)
			s.history.restarts = []span{{5 * second, 9 * second}}
		},
		map[string]func(s *scene){
			"restarted and soon back": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.history.restarts = []span{{4*second + second/8, 4*second + second/3}}
			},
		},
	},
	{
		byFailure,
		func(s *scene) {
			s.without(0, 3, true)
			s.beats(7 * second)
			s.note(0, deed{What: didExtend, Call: 50, From: 8 * second, To: 9 * second, Leases: []int{1}, Err: "timeout"})
		},
		map[string]func(s *scene){
			"a call on another claim failed": func(s *scene) {
				s.without(0, 3, true)
				s.beats(7 * second)
				s.note(0, deed{What: didClaim, Call: 51, From: 7 * second, To: 7*second + 1, Nonce: "c", Grants: []grant{{File: 7, Lease: 2, Token: "t7"}}})
				s.note(0, deed{What: didExtend, Call: 50, From: 8 * second, To: 9 * second, Leases: []int{2}, Err: "timeout"})
			},
			"it tried again too late": func(s *scene) {
				s.without(0, 3, true)
				s.beats(7 * second)
				s.note(0, deed{What: didExtend, Call: 50, From: 9*second + second/2, To: 10 * second, Leases: []int{1}, Err: "timeout"})
			},
			"it was said to be lost, and that too late": func(s *scene) {
				s.without(0, 3, true)
				s.beats(7 * second)
				s.note(0, deed{What: didExtend, Call: 50, From: 8 * second, To: 9 * second, Leases: []int{1}, Lost: []int{1}})
			},
		},
	},
	{
		byWait,
		func(s *scene) {
			s.without(0, 3, true)
			s.beats(4 * second)
			s.note(0, deed{What: didExtend, Call: 50, From: 4*second + second/2, To: 6*second + second/4, Leases: []int{1}})
			s.note(0, deed{What: didExtend, Call: 51, From: 6*second + second/4, To: 9 * second, Leases: []int{1}, Lost: []int{1}})
		},
		map[string]func(s *scene){
			"it was answered at once": func(s *scene) {
				s.without(0, 3, true)
				s.beats(6 * second)
				s.note(0, deed{What: didExtend, Call: 51, From: 6*second + second/4, To: 6*second + second/3, Leases: []int{1}, Lost: []int{1}})
			},
			"it asked too late": func(s *scene) {
				s.without(0, 3, true)
				s.beats(6 * second)
				s.note(0, deed{What: didExtend, Call: 51, From: 8*second + 1, To: 9 * second, Leases: []int{1}, Lost: []int{1}})
			},
		},
	},
	{
		byFailure, // at the end of a run, which does not keep what it could not give back
		func(s *scene) {
			s.without(0, 3, true)
			s.note(0, deed{What: didRelease, Call: 50, From: 2*second + 3, To: 2*second + 4, Leases: []int{1}, Err: "timeout"})
			s.note(0, deed{What: didRun, Call: 51, From: 0, To: 2*second + 5, Run: &outcome{}})
		},
		map[string]func(s *scene){
			"it did not try": func(s *scene) {
				s.without(0, 3, true)
				s.note(0, deed{What: didRun, Call: 51, From: 0, To: 2*second + 5, Run: &outcome{}})
			},
			"its run went on": func(s *scene) {
				s.without(0, 3, true)
				s.beats(4 * second)
				s.note(0, deed{What: didRelease, Call: 50, From: 4*second + 3, To: 4*second + 4, Leases: []int{1}, Err: "timeout"})
			},
		},
	},
	{
		byQueue,
		func(s *scene) {
			s.unsure(2*second+second/4, false)
			s.history.cut[0] = []linkCut{{toQueue, span{second, second + second/2}}}
		},
		map[string]func(s *scene){
			"cut off from the store": func(s *scene) {
				s.unsure(2*second+second/4, false)
				s.history.cut[0] = []linkCut{{toStore, span{second, second + second/2}}}
			},
			"cut off long before": func(s *scene) {
				s.unsure(2*second+second/4, false)
				s.history.cut[0] = []linkCut{{toQueue, span{0, 2*second - grace - 1}}}
			},
			"cut off after": func(s *scene) {
				s.unsure(2*second+second/4, false)
				s.history.cut[0] = []linkCut{{toQueue, span{2*second + second/2, 3 * second}}}
			},
		},
	},
	{
		bySlow,
		func(s *scene) { s.unsure(2*second+second/2, true) },
		map[string]func(s *scene){
			"it had time left":    func(s *scene) { s.unsure(2*second+second/4, true) },
			"its time was not up": func(s *scene) { s.unsure(2*second+second/2, false) },
		},
	},
	{
		byEnd,
		func(s *scene) {
			s.unsure(2*second+second/4, true)
			s.note(0, deed{What: didRun, Call: 50, From: 0, To: 3 * second, Until: 3 * second, Run: &outcome{}})
		},
		map[string]func(s *scene){
			"its run had time": func(s *scene) {
				s.unsure(2*second+second/4, true)
				s.note(0, deed{What: didRun, Call: 50, From: 0, To: 3 * second, Until: 4 * second, Run: &outcome{}})
			},
			"its run had no deadline": func(s *scene) {
				s.unsure(2*second+second/4, true)
				s.note(0, deed{What: didRun, Call: 50, From: 0, To: 3 * second, Run: &outcome{}})
			},
		},
	},
	{
		byLoss, // of that it was completed
		func(s *scene) { s.forgets(2 * second) },
		map[string]func(s *scene){
			"it was completed before": func(s *scene) { s.forgets(2*second + 5) },
			"it fell back later":      func(s *scene) { s.forgets(2 * second); s.history.rollbacks[0].span = span{11 * second, 12 * second} },
			"it was completed after": func(s *scene) {
				s.forgets(2 * second)
				s.history.rollbacks[0].span = span{2 * second, 2 * second}
			},
		},
	},
	{
		byLoss, // of that it was completed, of which the answer was noted after the crash
		func(s *scene) { s.forgets(2 * second); s.completedLate(2*second + 3) },
		map[string]func(s *scene){
			"it was completed after": func(s *scene) { s.forgets(2 * second); s.completedLate(6*second + 1) },
		},
	},
	{
		byLoss, // of the claim
		func(s *scene) { s.without(0, 3, true); s.forgets(0) },
		map[string]func(s *scene){
			"it was claimed before": func(s *scene) { s.without(0, 3, true); s.forgets(2 * second) },
		},
	},
	{
		byLoss, // of the claim, whose worker sends it when another has done so
		func(s *scene) {
			s.late()
			s.history.rollbacks = []rollback{{0, span{9*second + second/4, 9*second + second/2}}}
		},
		map[string]func(s *scene){
			"nothing was forgotten": func(s *scene) { s.late() },
		},
	},
	{
		byLoss, // of how far it was
		func(s *scene) {
			s.without(0, 3, true)
			s.note(0, deed{What: didRelease, Call: 4, From: 2*second + 3, To: 2*second + 4, Leases: []int{1}, Progress: map[int]string{1: `{"o":99}`}})
			s.forgets(2 * second)
		},
		map[string]func(s *scene){
			"that was kept": func(s *scene) {
				s.without(0, 3, true)
				s.note(0, deed{What: didRelease, Call: 4, From: 2*second + 3, To: 2*second + 4, Leases: []int{1}, Progress: map[int]string{1: `{"o":99}`}})
				s.forgets(3 * second)
			},
			"it was given back as if it had not been sent": func(s *scene) {
				s.without(0, 3, true)
				s.note(0, deed{What: didRelease, Call: 4, From: 2*second + 3, To: 2*second + 4, Leases: []int{1}})
				s.forgets(3 * second)
			},
		},
	},
}

func TestJudgeTellsWhySomethingCameTwice(t *testing.T) {
	for _, e := range excuses {
		t.Run(string(e.why), func(t *testing.T) {
			s := newScene()
			e.lawful(s)
			s.again(10 * second)
			v := s.judge(t)
			assert.Empty(t, v.broken)
			assert.Equal(t, map[cause]int{e.why: recordsOf(1, 0, 0)}, v.again)
		})
	}
}

// No excuse covers what only looks like it.
func TestJudgeAcceptsNoOtherExcuse(t *testing.T) {
	for _, e := range excuses {
		for name, tamper := range e.not {
			t.Run(string(e.why)+"/"+name, func(t *testing.T) {
				s := newScene()
				tamper(s)
				s.again(10 * second)
				v := s.judge(t)
				assert.NotEmpty(t, v.broken)
				assert.Zero(t, v.again[e.why])
			})
		}
	}
}

func TestQuiet(t *testing.T) {
	for _, c := range []struct {
		want  time.Duration
		spans []span
	}{
		{10, nil},
		{6, []span{{4, 4}}},
		{4, []span{{3, 6}}},
		{4, []span{{5, 6}, {0, 2}, {4, 5}}},
		{0, []span{{-5, 20}}},
		{10, []span{{12, 14}, {-3, -2}}},
		{2, []span{{2, 9}, {3, 4}, {8, 9}}},
	} {
		assert.Equal(t, c.want, quiet(span{0, 10}, c.spans), "%v", c.spans)
	}
}
