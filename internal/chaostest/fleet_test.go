//go:build linux

package chaostest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/faultproxy"
)

// patience is how long the fleet may get nothing done before the test gives up:
// many times what the slowest machine needs.
const patience = 3 * time.Minute

// fleet is a run: the processes, what stands between them, and what was done to
// them.
type fleet struct {
	t      *testing.T
	opts   options
	kind   string
	server server
	claims claims // the test's own way to the store
	queue  *record
	folder string // of the files
	base   string // of all else
	slots  []*slot
	record history

	// batch is how many files are held back for each restart of the store, until
	// it asks for something to forget, and opened how often it did.
	batch, opened int
}

// slot is the place of one worker: when its process is killed another follows,
// on the same connections.
type slot struct {
	proxies [linkKinds]*faultproxy.Proxy
	process *process
	// One fault of a kind at a time: the end of one is not to end another.
	cutting  [linkKinds]sync.Mutex
	stalling sync.Mutex
}

// process is a worker's.
type process struct {
	number int
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{} // closed when it has ended
}

// history is what was done to whom, for the judge. Its times enclose what
// happened.
type history struct {
	mu        sync.Mutex
	killed    map[int]moment    // by number of the process
	stopped   map[int][]span    // by number of the process
	cut       map[int][]linkCut // by slot
	restarts  []span
	rollbacks []rollback
}

// span is a stretch of time.
type span struct{ from, to moment }

// linkCut is a fault of a connection.
type linkCut struct {
	link linkKind
	span
}

// newFleet prepares a run, with claims in a store of the kind.
func newFleet(t *testing.T, opts options, kind string, s server) *fleet {
	t.Helper()
	f := &fleet{
		t: t, opts: opts, kind: kind, server: s, queue: startQueue(t), folder: t.TempDir(), base: evidence(t),
		record: history{killed: map[int]moment{}, stopped: map[int][]span{}, cut: map[int][]linkCut{}},
	}
	var err error
	f.claims, err = openStore(kind, s.addr())
	require.NoError(t, err)
	for range opts.workers {
		var sl slot
		for link, target := range [linkKinds]string{toStore: s.addr(), toQueue: f.queue.server.URL()[len("http://"):]} {
			p, err := faultproxy.Start(target, nil)
			require.NoError(t, err)
			t.Cleanup(p.Close)
			sl.proxies[link] = p
		}
		f.slots = append(f.slots, &sl)
	}
	return f
}

// envEvidence names a folder to keep the workers' diaries in.
const envEvidence = "CHAOS_EVIDENCE"

func evidence(t *testing.T) string {
	folder := os.Getenv(envEvidence)
	if folder == "" {
		return t.TempDir()
	}
	folder, err := os.MkdirTemp(folder, "") //nolint:usetesting // it is to stay
	require.NoError(t, err)
	t.Logf("the diaries are in %s", folder)
	return folder
}

// run runs the fleet until all is done, with all that the schedule has for it,
// and then judges.
func (f *fleet) run() *verdict {
	f.t.Helper()
	total, soon := 0, 0 // records, and those that are not held back
	for n := range f.opts.files {
		total += recordsOf(f.opts.seed, n, f.opts.large)
		if n < f.opts.files-f.held() {
			soon = total
		}
	}
	feeder := f.start(-1, []string{
		envRole + "=" + roleFeeder, envFiles + "=" + strconv.Itoa(f.opts.files), envLarge + "=" + strconv.Itoa(f.opts.large),
		envHeld + "=" + strconv.Itoa(f.held()), envBatch + "=" + strconv.Itoa(f.batch), envGate + "=" + f.gateFile(),
		envSpread + "=" + f.opts.time.String(), envSeed + "=" + strconv.FormatUint(f.opts.seed, 10),
	})
	began := time.Now()
	for i := range f.slots {
		f.startWorker(i)
	}
	events := f.opts.schedule()
	var pending sync.WaitGroup
	for _, e := range events {
		f.awaitShare(e.at, soon)
		f.t.Logf("%6.1f s: %v", time.Since(began).Seconds(), e)
		f.happen(e, &pending)
	}
	f.await("the faults to end", func() bool { pending.Wait(); return true })
	f.awaitShare(1, total)
	f.await("the feeder", func() bool { return ended(feeder) })
	require.True(f.t, feeder.cmd.ProcessState.Success(), "the feeder failed: %s", &feeder.stderr)
	require.NoError(f.t, os.WriteFile(f.stopFile(), nil, 0o600))
	for _, s := range f.slots {
		f.await("workers to find nothing left", func() bool { return ended(s.process) })
		require.True(f.t, s.process.cmd.ProcessState.Success(), "worker %d failed: %s", s.process.number, &s.process.stderr)
	}
	f.t.Logf("%d files, %d records in %.1f s", f.opts.files, total, time.Since(began).Seconds())
	return f.judge()
}

func (f *fleet) held() int { return f.batch * f.opts.restarts }

func (f *fleet) gateFile() string { return filepath.Join(f.base, "gate") }

func (f *fleet) stopFile() string { return filepath.Join(f.base, "stop") }

func (f *fleet) diaryOf(number int) string {
	return filepath.Join(f.base, fmt.Sprintf("diary-%d", number))
}

// startWorker starts the next process of a slot.
func (f *fleet) startWorker(i int) {
	f.t.Helper()
	s := f.slots[i]
	number := i
	if s.process != nil {
		number = s.process.number + len(f.slots)
	}
	s.process = f.start(number, []string{
		envRole + "=" + roleWorker, envNumber + "=" + strconv.Itoa(number), envDiary + "=" + f.diaryOf(number),
		envStore + "=" + f.kind, envClaims + "=" + s.proxies[toStore].Addr(), envQueue + "=" + s.proxies[toQueue].Addr(),
		envStop + "=" + f.stopFile(), envLease + "=" + f.opts.lease.String(), envRate + "=" + strconv.Itoa(f.opts.rate), envBlock + "=" + strconv.Itoa(f.opts.block),
		envSpoils + "=" + filepath.Join(f.base, "spoils"),
	})
}

// start starts the test binary in another role.
func (f *fleet) start(number int, env []string) *process {
	f.t.Helper()
	exe, err := os.Executable()
	require.NoError(f.t, err)
	p := &process{number: number, cmd: exec.Command(exe), done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), env...), envFolder+"="+f.folder)
	p.cmd.Stderr = &p.stderr
	require.NoError(f.t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // how it ended is looked at by those who care
		close(p.done)
	}()
	f.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // most often it has ended already
		<-p.done
	})
	return p
}

func ended(p *process) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await waits for a condition, as long as records still arrive or patience
// lasts.
func (f *fleet) await(what string, met func() bool) {
	f.t.Helper()
	f.until(what, patience, met)
}

// awaitShare waits until so much of the work is done, or nothing was done for a
// while: what stands still is not helped by waiting for its next trouble.
func (f *fleet) awaitShare(share float64, total int) {
	f.t.Helper()
	if share == 1 {
		f.until("all records to arrive", patience, func() bool { return f.queue.distinct() >= total })
		return
	}
	last, since := f.queue.distinct(), time.Now()
	f.until("work to be done", patience, func() bool {
		n := f.queue.distinct()
		if n != last {
			last, since = n, time.Now()
		}
		return float64(n) >= share*float64(total) || n > 0 && time.Since(since) > 2*f.opts.lease
	})
}

// finishSome has files fed that were held back, and waits until the store says
// that they are finished.
func (f *fleet) finishSome() {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(gate(f.gateFile(), f.opened), nil, 0o600))
	from := f.opts.files - f.held() + f.opened*f.batch
	f.opened++
	f.await("files to be finished", func() bool {
		return !slices.ContainsFunc(f.inspect(from, from+f.batch), func(e claim.Entry) bool { return e.State != claim.Finished })
	})
}

// inspect asks the store for the files from one number up to another.
func (f *fleet) inspect(from, to int) (all []claim.Entry) {
	f.t.Helper()
	const block = 1000
	for ; from < to; from += block {
		var keys []string
		for n := from; n < min(from+block, to); n++ {
			keys = append(keys, keyOf(n))
		}
		f.await("the store to answer", func() bool {
			ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
			defer cancel()
			entries, err := f.claims.Inspect(ctx, keys)
			if err == nil {
				all = append(all, entries...)
			}
			return err == nil
		})
	}
	return all
}

func (f *fleet) until(what string, most time.Duration, met func() bool) {
	f.t.Helper()
	last, since := f.queue.distinct(), time.Now()
	for !met() {
		if n := f.queue.distinct(); n != last {
			last, since = n, time.Now()
		}
		for _, s := range f.slots {
			if ended(s.process) && !s.process.cmd.ProcessState.Success() {
				f.t.Fatalf("worker %d ended: %v: %s", s.process.number, s.process.cmd.ProcessState, &s.process.stderr)
			}
		}
		if time.Since(since) > most {
			f.t.Fatalf("waited %v in vain for %s; %d records have arrived", most, what, last)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// happen does what the event says. What lasts ends by itself, and pending tells
// when.
func (f *fleet) happen(e event, pending *sync.WaitGroup) {
	f.t.Helper()
	s := f.slots[e.worker]
	h := &f.record
	switch e.kind {
	case killWorker:
		from := now()
		require.NoError(f.t, s.process.cmd.Process.Kill())
		<-s.process.done
		h.mu.Lock()
		h.killed[s.process.number] = from
		h.mu.Unlock()
		f.startWorker(e.worker)
	case stallWorker:
		p := s.process
		pending.Go(func() {
			s.stalling.Lock()
			defer s.stalling.Unlock()
			from := now()
			_ = p.cmd.Process.Signal(syscall.SIGSTOP) // it may have been killed
			time.Sleep(e.span)
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.stopped[p.number] = append(h.stopped[p.number], span{from, now()})
		})
	case cutLink:
		proxy := s.proxies[e.link]
		pending.Go(func() {
			s.cutting[e.link].Lock()
			defer s.cutting[e.link].Unlock()
			from := now()
			if e.span == 0 {
				proxy.Cut()
			} else {
				proxy.Set(e.fault)
				time.Sleep(e.span)
				proxy.Heal()
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.cut[e.worker] = append(h.cut[e.worker], linkCut{e.link, span{from, now()}})
		})
	case restartStore:
		kept, crash := f.server.restart(f.t, f.finishSome)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.restarts = append(h.restarts, crash)
		if kept != never {
			h.rollbacks = append(h.rollbacks, rollback{kept, crash})
		}
	}
}
