//go:build linux

package chaostest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
)

// verdict is what the judge found.
type verdict struct {
	files, records int
	// again counts deliveries beyond the first of a record, by why they had to
	// be.
	again map[cause]int
	// broken lists what must not be, the first few of each promise.
	broken map[string][]string
	counts map[string]int // of broken
	// oldest is the longest that a record which the queue had confirmed was not
	// on record when its worker was killed, and came again; by whether its file
	// is a large one.
	oldest map[bool]time.Duration
	spent  map[string]cost
}

// cause is what made a record come twice.
type cause string

const (
	byKill    cause = "its worker was killed"
	byStop    cause = "its worker was stopped"
	byStand   cause = "the machine had no time for its worker"
	byQueue   cause = "its worker was cut off from the queue"
	byStore   cause = "its worker was cut off from the store"
	byRestart cause = "the store was restarted"
	bySlow    cause = "its send took longer than its time-out"
	byEnd     cause = "its send was cut off by the deadline of its run"
	byFailure cause = "the store did not answer a call on its claim"
	byWait    cause = "the store took long to answer a call on its claim"
	byLoss    cause = "the store forgot"
)

func (v *verdict) breaks(promise, format string, args ...any) {
	v.counts[promise]++
	if len(v.broken[promise]) < 5 {
		v.broken[promise] = append(v.broken[promise], fmt.Sprintf(format, args...))
	}
}

// duplicates is how many deliveries were beyond the first of their record.
func (v *verdict) duplicates() (n int) {
	for _, k := range v.again {
		n += k
	}
	return n
}

// require fails the test for everything that is broken.
func (v *verdict) require(t *testing.T) {
	t.Helper()
	t.Logf("%d files, %d records: %d came again: %v; the oldest at a kill: %v in small files, %v in large ones",
		v.files, v.records, v.duplicates(), v.again, v.oldest[false], v.oldest[true])
	for _, what := range []string{didClaim, didExtend, didComplete, didRelease, didSend} {
		c := v.spent[what]
		t.Logf("%-8s %6d calls, %.2f s in all workers together", what, c.calls, c.time.Seconds())
	}
	for promise, which := range v.broken {
		t.Errorf("%s: %d times", promise, v.counts[promise])
		for _, text := range which {
			t.Error("  ", text)
		}
	}
}

// judge is a case: the evidence, and the verdict so far.
type judge struct {
	*verdict
	*lives
	opts     options
	history  *history
	all      []delivery
	arrivals map[int][]delivery // of all, by file
}

func newJudge(opts options, all *lives, h *history, deliveries []delivery) *judge {
	arrivals := map[int][]delivery{}
	for _, d := range deliveries {
		arrivals[int(d.file)] = append(arrivals[int(d.file)], d)
	}
	return &judge{
		verdict: &verdict{
			files: opts.files, again: map[cause]int{}, broken: map[string][]string{}, counts: map[string]int{},
			oldest: map[bool]time.Duration{}, spent: all.spent,
		},
		lives: all, opts: opts, history: h, all: deliveries, arrivals: arrivals,
	}
}

// judge looks at the evidence of a run that is over.
func (f *fleet) judge() *verdict {
	f.t.Helper()
	names := map[int]string{}
	for _, s := range f.slots {
		for n := s.process.number; n >= 0; n -= len(f.slots) {
			if _, err := os.Stat(f.diaryOf(n)); err == nil { // else it was killed before it began
				names[n] = f.diaryOf(n)
			}
		}
	}
	all, err := readLives(names)
	require.NoError(f.t, err)
	deliveries, strange := f.queue.evidence()
	j := newJudge(f.opts, all, &f.record, deliveries)
	if strange != nil {
		j.breaks("messages are those of workers", "%v", strange)
	}
	j.runsAddUp()
	j.finished(f)
	j.nothingIsElsewhere(filepath.Join(f.base, "spoils"))
	j.everyRecord()
	j.fencing()
	return j.verdict
}

// runsAddUp: an outage, a kill or a stop makes no record fail.
func (j *judge) runsAddUp() {
	for _, runs := range j.runs {
		for _, r := range runs {
			if o := r.Run; o != nil && (o.Loaded != o.Delivered || o.ElsewhereRecords != 0) {
				j.breaks("what was loaded was delivered", "a run: %+v", *o)
			}
		}
	}
}

// finished asks the store for every file.
func (j *judge) finished(f *fleet) {
	f.t.Helper()
	for _, e := range f.inspect(0, f.opts.files) {
		if e.State != claim.Finished {
			j.breaks("everything is finished in the end", "%s: %+v", e.Key, e)
		}
	}
}

// nothingIsElsewhere: nobody's outage writes files.
func (j *judge) nothingIsElsewhere(folder string) {
	_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			j.breaks("outages write nothing to the destinations", "%s", filepath.Base(path))
		}
		return nil
	})
}

// everyRecord looks at the deliveries of each record.
func (j *judge) everyRecord() {
	for file := range j.opts.files {
		want := recordsOf(j.opts.seed, file, j.opts.large)
		j.records += want
		byRecord := make([][]delivery, want)
		for _, d := range j.arrivals[file] {
			if d.record < 0 || int(d.record) >= want {
				j.breaks("only records of the files arrive", "file %d, record %d", file, d.record)
				continue
			}
			byRecord[d.record] = append(byRecord[d.record], d)
		}
		arrived := moment(0) // when the last of its records was there
		for n, all := range byRecord {
			if len(all) == 0 {
				j.breaks("nothing is lost", "file %d, record %d of %d", file, n, want)
				continue
			}
			first := all[0].at
			for _, d := range all {
				first = min(first, d.at)
				j.lawful(d)
			}
			arrived = max(arrived, first)
			j.repeated(all)
		}
		for _, v := range j.byFile[file] {
			if v.completing < arrived {
				j.breaks("nothing is finished before it is delivered", "file %d, by worker %d", file, v.id.worker)
			}
		}
	}
}

// lawful: a record is sent under a lease that is the worker's, and is not among
// those that were settled when it was granted.
func (j *judge) lawful(d delivery) {
	v, c := j.leases[leaseID{d.worker, d.lease}], j.calls[callID{d.worker, d.call}]
	if v == nil || c == nil || v.file != int(d.file) {
		j.breaks("what is sent is claimed", "file %d: worker %d knows no lease %d or call %d", d.file, d.worker, d.lease, d.call)
		return
	}
	if v.resumed.covers(d.offset) {
		j.breaks("what the claim says is settled is not sent", "file %d, offset %d, by worker %d", d.file, d.offset, d.worker)
	}
	if c.From > v.releasing || c.From > v.completing {
		j.breaks("nothing is sent once the claim is given back or completed", "file %d, by worker %d", d.file, d.worker)
	}
}
