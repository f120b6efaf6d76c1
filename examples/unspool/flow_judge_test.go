//go:build linux

package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// perFile is how many numbers the records of one file have room for.
const perFile = 3

// recordsOf is how many records the n-th file of a flow holds: most have one.
func recordsOf(n int) int {
	if n%10 == 0 {
		return perFile
	}
	return 1
}

// recordsIn is how many the first n files hold together.
func recordsIn(files int) (records int64) {
	return int64(files) + int64(perFile-1)*int64((files+9)/10)
}

// judge knows which of the numbered records of a flow the queue has accepted, how
// often, and how long after their files appeared. Its memory does not grow.
type judge struct {
	mu      sync.Mutex
	times   []uint8 // each record came, by its number
	came    int64   // deliveries
	strange int     // of records that nobody wrote
	late    latencies
}

func newJudge(files int) *judge { return &judge{times: make([]uint8, perFile*files)} }

// add takes a message that the queue has accepted.
func (j *judge) add(_ string, m sqstest.Message) {
	now := time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	gjson.Parse(m.Body).ForEach(func(_, record gjson.Result) bool {
		n, ok := record.Get("n"), record.Get("at").Int()
		if !n.Exists() || n.Int() < 0 || n.Int() >= int64(len(j.times)) {
			j.strange++
			return true
		}
		if j.times[n.Int()] < 255 {
			j.times[n.Int()]++
		}
		j.came++
		j.late.add(now.Sub(time.Unix(0, ok)))
		return true
	})
}

// arrived returns how many records came, those that came again included.
func (j *judge) arrived() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.came
}

// verdict returns an error unless each record of the first files files came once,
// and nothing else did.
func (j *judge) verdict(files int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	lost, again, strange := 0, 0, j.strange
	example := -1
	for n, times := range j.times {
		written := n/perFile < files && n%perFile < recordsOf(n/perFile)
		switch {
		case written && times == 1, !written && times == 0:
			continue
		case !written:
			strange++
		case times == 0:
			lost++
		default:
			again++
		}
		if example < 0 {
			example = n
		}
	}
	if lost+again+strange == 0 {
		return nil
	}
	return fmt.Errorf("of %d records %d are lost, %d came more than once, and %d came that nobody wrote: the first is number %d, of file %d",
		recordsIn(files), lost, again, strange, example, example/perFile)
}

// latencies is how many records took how many milliseconds.
type latencies struct {
	counts [120_001]int64 // the last one: longer
	total  int64
	most   time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.counts[min(max(d.Milliseconds(), 0), int64(len(l.counts)-1))]++
	l.total++
	l.most = max(l.most, d)
}

// quantile returns the time in which the share q of all came, rounded up to a
// millisecond.
func (l *latencies) quantile(q float64) time.Duration {
	left := int64(q * float64(l.total))
	for ms, n := range l.counts {
		if left -= n; left < 0 {
			return min(time.Duration(ms+1)*time.Millisecond, l.most)
		}
	}
	return l.most
}

func (l *latencies) String() string {
	return fmt.Sprintf("50%% %v, 90%% %v, 99%% %v, 99.9%% %v, most %v", l.quantile(.5), l.quantile(.9), l.quantile(.99), l.quantile(.999),
		l.most.Round(time.Millisecond))
}

// The judge of the flow notices a single record that is lost, comes again or was
// never written.
func TestJudgeOfFlow(t *testing.T) {
	const files = 100
	message := func(numbers ...int) sqstest.Message {
		body := "["
		for i, n := range numbers {
			if i > 0 {
				body += ","
			}
			body += fmt.Sprintf(`{"n":%d,"at":%d}`, n, time.Now().UnixNano())
		}
		return sqstest.Message{Body: body + "]"}
	}
	all := func() *judge {
		j := newJudge(files + 1)
		for n := range files {
			for k := range recordsOf(n) {
				if n != 50 || k > 0 {
					j.add("", message(n*perFile+k))
				}
			}
		}
		return j
	}
	j := all()
	require.ErrorContains(t, j.verdict(files), "1 are lost, 0 came more than once, and 0 came that nobody wrote: the first is number 150, of file 50")
	j.add("", message(50*perFile))
	require.NoError(t, j.verdict(files))
	assert.Equal(t, recordsIn(files), j.arrived())
	require.ErrorContains(t, j.verdict(files-1), "1 came that nobody wrote")
	require.ErrorContains(t, j.verdict(files+1), "3 are lost")
	j.add("", message(7*perFile, 8*perFile))
	require.ErrorContains(t, j.verdict(files), "0 are lost, 2 came more than once, and 0 came")
	j = all()
	j.add("", message(50*perFile, 7*perFile+1, -1, files*10))
	require.ErrorContains(t, j.verdict(files), "0 are lost, 0 came more than once, and 3 came that nobody wrote")
	j = all()
	j.add("", sqstest.Message{Body: `[{"id":1}]`})
	require.ErrorContains(t, j.verdict(files), "1 are lost, 0 came more than once, and 1 came that nobody wrote")
}

func TestLatencies(t *testing.T) {
	var l latencies
	for ms := range 1000 {
		l.add(time.Duration(ms) * time.Millisecond)
	}
	l.add(time.Hour)
	assert.Equal(t, 501*time.Millisecond, l.quantile(.5))
	assert.Equal(t, 991*time.Millisecond, l.quantile(.99))
	assert.Equal(t, time.Hour, l.quantile(1))
}
