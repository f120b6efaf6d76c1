//go:build linux

package chaostest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// evidence of a run in which all went well: worker 0 claimed the one file, sent
// its records in one call and completed it.
type scene struct {
	opts       options
	diaries    map[int][]deed
	deliveries []delivery
	history    history
}

const second = moment(time.Second)

func newScene() *scene {
	s := &scene{
		opts:    options{seed: 1, files: 1, workers: 2, lease: 2 * time.Second},
		history: history{killed: map[int]moment{}, stopped: map[int][]span{}, cut: map[int][]linkCut{}},
		diaries: map[int][]deed{},
	}
	s.note(0, deed{What: didClaim, Call: 1, From: 1 * second, To: 1*second + 1, Nonce: "a", Grants: []grant{{File: 0, Lease: 1, Token: "t1"}}})
	s.note(0, deed{What: didSend, Call: 2, From: 2 * second, To: 2*second + 2})
	s.note(0, deed{What: didComplete, Call: 3, From: 2*second + 3, To: 2*second + 4, Leases: []int{1}})
	s.sent(0, 1, 2, 2*second+1)
	return s
}

// note writes both entries of a call.
func (s *scene) note(worker int, e deed) {
	begun := e
	begun.To, begun.Err, begun.Grants, begun.Failed = 0, "", nil, nil
	s.diaries[worker] = append(s.diaries[worker], begun, e)
}

// sent has all records of the file arrive.
func (s *scene) sent(worker, lease, call int32, at moment) {
	for n := range recordsOf(s.opts.seed, 0, 0) {
		s.deliveries = append(s.deliveries, delivery{at: at, offset: int64(n), record: int32(n), worker: worker, lease: lease, call: call})
	}
}

// again has worker 1 claim the file and do all of it.
func (s *scene) again(at moment) {
	s.note(1, deed{What: didClaim, Call: 1, From: at, To: at + 1, Nonce: "b", Grants: []grant{{File: 0, Lease: 1, Token: "t2"}}})
	s.note(1, deed{What: didSend, Call: 2, From: at + 2, To: at + 4})
	s.note(1, deed{What: didComplete, Call: 3, From: at + 5, To: at + 6, Leases: []int{1}})
	s.sent(1, 1, 2, at+3)
}

// without takes the outcome of a worker's call away, or the call as a whole.
func (s *scene) without(worker, call int, whole bool) {
	s.diaries[worker] = slices.DeleteFunc(s.diaries[worker], func(e deed) bool { return e.Call == call && (whole || e.To != 0) })
}

// fails has a worker's call fail.
func (s *scene) fails(worker, call int) {
	for i := range s.diaries[worker] {
		if e := &s.diaries[worker][i]; e.Call == call && e.To != 0 {
			e.Err = "reset"
		}
	}
}

func (s *scene) judge(t *testing.T) *verdict {
	t.Helper()
	j := newJudge(s.opts, newLives(), &s.history, s.deliveries)
	for number, deeds := range s.diaries {
		require.NoError(t, j.tell(number, deeds))
	}
	j.sort()
	j.everyRecord()
	j.fencing()
	return j.verdict
}

func TestJudgeFindsNothingWhereNothingIsWrong(t *testing.T) {
	v := newScene().judge(t)
	assert.Empty(t, v.broken)
	assert.Empty(t, v.again)
}

// A worker that was stopped may note long afterwards that a lease was granted,
// which had come to its end before another got the next one.
func TestJudgeKnowsThatAnAnswerMayBeNotedLate(t *testing.T) {
	s := newScene()
	s.without(0, 3, true)
	s.beats(8 * second)
	s.history.killed[0] = 9 * second
	s.note(2, deed{What: didClaim, Call: 1, From: second / 2, To: 8*second + second/4, Nonce: "c", Grants: []grant{{File: 0, Lease: 1, Token: "t0"}}})
	s.again(10 * second)
	v := s.judge(t)
	assert.Empty(t, v.broken)
	assert.Equal(t, map[cause]int{byKill: recordsOf(1, 0, 0)}, v.again)
}

func TestJudgeFindsWhatIsBroken(t *testing.T) {
	for _, c := range []struct {
		promise string
		tamper  func(s *scene)
	}{
		{"nothing is lost", func(s *scene) { s.deliveries = s.deliveries[1:] }},
		{"only records of the files arrive", func(s *scene) { s.deliveries[0].record = 99 }},
		{"nothing is finished before it is delivered", func(s *scene) { s.deliveries[0].at = 3 * second }},
		{"what is sent is claimed", func(s *scene) { s.deliveries[0].lease = 7 }},
		{"what the claim says is settled is not sent", func(s *scene) { s.diaries[0][1].Grants[0].Progress = `{"o":1}` }},
		{"nothing is sent once the claim is given back or completed", func(s *scene) {
			s.note(0, deed{What: didRelease, Call: 4, From: 2*second - 1, To: 2 * second, Leases: []int{1}})
		}},
		{"what is durably settled is not sent again", func(s *scene) { s.again(10 * second) }},
		{"what is completed is not granted again", func(s *scene) { s.again(10 * second) }},
		{"nothing comes twice without a reason", func(s *scene) { s.without(0, 3, true); s.again(10 * second) }},
		{"nothing comes twice without a reason", func(s *scene) { s.sent(0, 1, 2, 2*second+1) }},
		{"nothing comes twice without a reason", func(s *scene) { // given back as if it had not been sent
			s.without(0, 3, true)
			s.note(0, deed{What: didRelease, Call: 4, From: 3 * second, To: 3*second + 1, Leases: []int{1}})
			s.history.stopped[0] = []span{{2 * second, 3 * second}}
			s.again(10 * second)
		}},
		{"nothing comes twice without a reason", func(s *scene) { // a call that failed for no reason
			s.fails(0, 2)
			s.without(0, 3, true)
			s.again(10 * second)
		}},
		{"at most one lease is live", func(s *scene) { s.without(0, 3, true); s.again(2*second + 5) }},
		{"no two grants have the same token", func(s *scene) {
			s.without(0, 3, true)
			s.again(10 * second)
			s.diaries[1][1].Grants[0].Token = "t1"
		}},
		{"nothing is sent once the lease could be another's", func(s *scene) {
			s.without(0, 3, true)
			s.again(10 * second)
			s.note(0, deed{What: didSend, Call: 5, From: 20 * second, To: 20*second + 2})
			s.sent(0, 1, 5, 20*second+1)
		}},
	} {
		t.Run(c.promise, func(t *testing.T) {
			s := newScene()
			c.tamper(s)
			assert.Contains(t, s.judge(t).broken, c.promise)
		})
	}
}
