// Package processortest proves, end to end, that a configuration keeps the
// promises of unspool: [Run] drains generated objects through it while things
// go wrong, and then looks from outside what became of each record.
//
// The parts that make things go wrong, [Source] and [Claims], may also be used
// by themselves.
package processortest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unspool-go/unspool/claim"
	claimmemory "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
)

// Harness holds what a configuration under test is made of.
type Harness struct {
	// Seed decides about all that is random. It is logged by a test that fails,
	// and may be set by the environment variable PROCESSORTEST_SEED.
	Seed uint64
	// Storm says that there are faults after which records may come twice: lost
	// responses of the sink and lost leases. Otherwise every record must come
	// exactly once.
	Storm bool
	// Source holds the generated objects.
	Source *Source
	// Received returns the bodies of the messages that arrived. Set it together
	// with a sink of your own. Defaults to those in the sink of Config.
	Received func() [][]byte

	t        testing.TB
	chaos    *chaos
	expect   expected
	kept     *sinkmemory.Sink
	folder   string
	poisons  bool // Sink was used
	verdicts bool // Transform was used
}

// folders counts the destinations in memory, which the process shares.
var folders atomic.Int64

// Run runs the configuration twice, in a calm and in a storm. Each time several
// workers share the work over several runs, of which most are cut short by a
// deadline or a cancellation, until everything is settled. Then:
//
//   - every record in the objects is in the sink, dropped, in the failed or in
//     the corruption destination, and none is lost; in a calm each is there once;
//   - what the responses counted is what is found, in every single one;
//   - a run that follows finds nothing to do;
//   - no goroutine of a run is left.
//
// cfg makes the configuration, usually from [Harness.Config] with parts of its
// own in place of some. It is called once per weather; the workers differ in
// Owner. Records are JSON objects, told apart by their member "id", which a
// transform under test must leave in each of its outputs.
//
// Everything in Config lives in memory: called in a bubble of testing/synctest,
// Run takes no time for waiting. Parts with a clock of their own need real time.
func Run(t *testing.T, cfg func(h *Harness) processor.Config) { runOn(t, kinds, cfg) }

func runOn(t *testing.T, kinds []func(o *object) string, cfg func(h *Harness) processor.Config) {
	for _, storm := range []bool{false, true} {
		h := newHarness(t, storm, kinds)
		h.run(cfg(h))
		if t.Failed() {
			t.Logf("PROCESSORTEST_SEED=%d repeats this (storm: %v)", h.Seed, storm)
			return
		}
	}
}

func newHarness(t testing.TB, storm bool, kinds []func(o *object) string) *Harness {
	seed, err := strconv.ParseUint(os.Getenv("PROCESSORTEST_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	h := &Harness{
		Seed: seed, Storm: storm, Source: &Source{}, t: t,
		chaos:  &chaos{rand: rand.New(rand.NewPCG(seed, 0)), left: 400},
		kept:   sinkmemory.New(sinkmemory.Config{Limits: sink.Limits{MessageBytes: 64 << 10, BatchBytes: 256 << 10, BatchMessages: 10, XMLChars: true}}),
		folder: fmt.Sprintf("mem://localhost/processortest/%d", folders.Add(1)),
	}
	h.Received = func() [][]byte {
		var bodies [][]byte
		for _, m := range h.kept.Messages() {
			bodies = append(bodies, m.Body)
		}
		return bodies
	}
	h.expect = generate(h.Source, rand.New(rand.NewPCG(seed, 1)), kinds)
	h.Source.OnList, h.Source.OnOpen = h.chaos.list, h.chaos.open
	return h
}

// Config returns a whole configuration: the generated objects, and a transform,
// a sink and a claim store in memory, all with faults.
func (h *Harness) Config() processor.Config {
	return processor.Config{
		Source: h.Source, Claimer: h.Claimer(claimmemory.New()), Transform: h.Transform(nil), Sink: h.Sink(h.kept),
		RetryURL: h.folder + "/retry", FailedURL: h.folder + "/failed", CorruptionURL: h.folder + "/corrupt",
		Concurrency: 2, ClaimBlock: 8, Lease: 4 * time.Second, SendTimeout: time.Second,
		Split:      source.Split{MaxRecordBytes: recordBytes},
		RetryDelay: 100 * time.Millisecond, MaxRetries: 100,
	}
}

// Claimer puts faults in front of a claim store.
func (h *Harness) Claimer(next claim.Claimer) claim.Claimer {
	return &Claims{Claimer: next, OnCall: func(_ context.Context, call Call, _ []string) (error, bool) {
		return h.chaos.claims(call, h.Storm)
	}}
}

// run runs workers until everything is settled, and looks what became of it.
func (h *Harness) run(cfg processor.Config) {
	h.t.Helper()
	before := goroutines()
	totals := &totals{}
	for range 3 {
		h.workers(cfg, totals, func() context.Context { return h.chaos.cutShort(h.t.Context()) })
	}
	h.chaos.end()
	for i := 0; ; i++ {
		idle := h.workers(cfg, totals, h.t.Context)
		if idle && len(h.found(cfg.RetryURL)) == 0 {
			break
		}
		if i == 30 {
			h.broken("accounting", "not everything is settled after %d runs without a fault", i)
			return
		}
		time.Sleep(cfg.Lease/2 + time.Second) //nolint:forbidigo // in a bubble of synctest
	}
	h.check(cfg, totals)
	for range 100 { // goroutines that have done their work may take a moment to end
		if len(leaked(before)) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // nothing signals that a goroutine is gone
	}
	h.broken("deadline", "goroutines are left after Run:\n%s", leaked(before)[0])
}

// workers has three workers run at once, each with a context of its own, and
// reports whether none of them found anything left to do.
func (h *Harness) workers(cfg processor.Config, totals *totals, ctx func() context.Context) bool {
	var wg sync.WaitGroup
	idle := make([]bool, 3)
	for i := range idle {
		cfg.Owner = fmt.Sprint("worker ", i)
		svc, err := processor.New(cfg)
		if err != nil {
			h.t.Fatal(err)
		}
		c := ctx()
		wg.Go(func() {
			rep, err := svc.Run(c)
			if deadline, ok := c.Deadline(); ok && time.Now().After(deadline) {
				h.broken("deadline", "Run returned %v after its deadline", time.Since(deadline))
			}
			if rep == nil {
				h.t.Error(err)
				return
			}
			resp := rep.BaseResponse()
			if resp.Loaded != resp.Delivered+resp.Dropped+resp.RetryErrors+resp.CorruptionErrors+resp.FailedErrors {
				h.broken("accounting", "a response does not add up: %+v", *resp)
			}
			totals.add(resp)
			idle[i] = err == nil && resp.Status == processor.StatusOK && resp.Held == 0
		})
	}
	wg.Wait()
	return idle[0] && idle[1] && idle[2]
}

// broken fails the test with the promise that was broken.
func (h *Harness) broken(promise, format string, args ...any) {
	h.t.Helper()
	h.t.Errorf("broken guarantee %q: %s", promise, fmt.Sprintf(format, args...))
}
