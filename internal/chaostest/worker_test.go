//go:build linux

package chaostest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

const roleWorker = "worker"

// The environment of a worker, besides the folder's.
const (
	envNumber = "CHAOS_ROLE_NUMBER" // of the process: no two workers have the same
	envDiary  = "CHAOS_ROLE_DIARY"
	envStore  = "CHAOS_ROLE_STORE"  // kind of claim store
	envClaims = "CHAOS_ROLE_CLAIMS" // its address
	envQueue  = "CHAOS_ROLE_QUEUE"  // address of the queue
	envStop   = "CHAOS_ROLE_STOP"   // a file that says, once it exists, that nothing more will come
	envLease  = "CHAOS_ROLE_LEASE"
	envRate   = "CHAOS_ROLE_RATE"
	envBlock  = "CHAOS_ROLE_BLOCK"
	envSpoils = "CHAOS_ROLE_SPOILS" // folder of the destinations
)

const queueName = "fleet"

// work is a worker process: it runs the processor until there is nothing left.
func work() error {
	number, err := strconv.Atoi(os.Getenv(envNumber))
	if err != nil {
		return err
	}
	lease, err := time.ParseDuration(os.Getenv(envLease))
	if err != nil {
		return err
	}
	rate, err := strconv.ParseFloat(os.Getenv(envRate), 64)
	if err != nil {
		return err
	}
	block, err := strconv.Atoi(os.Getenv(envBlock))
	if err != nil {
		return err
	}
	book, err := openDiary(os.Getenv(envDiary))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go watchTheClock(ctx, book)
	store, err := openStore(os.Getenv(envStore), os.Getenv(envClaims))
	if err != nil {
		return err
	}
	claims := &witnessed{Claimer: store, book: book, tokens: map[string]int{}, current: map[string]int{}}
	files, err := dir.Open(os.Getenv(envFolder), dir.Config{})
	if err != nil {
		return err
	}
	queue, err := sqs.New(sqs.NewClient(awsConfig(os.Getenv(envQueue))), queueName, sqs.Config{})
	if err != nil {
		return err
	}
	spoils := os.Getenv(envSpoils)
	cfg := processor.Config{
		Source: files, Claimer: claims, Transform: &stamp{number, claims}, Sink: &witness{queue, book, number},
		RetryURL: spoils + "/retry", FailedURL: spoils + "/failed", CorruptionURL: spoils + "/corrupt",
		Concurrency: 2, ClaimBlock: cmp.Or(block, 64), Lease: lease, Rate: processor.Rate{Records: rate},
		Pack:  processor.Pack{TargetBytes: 8 << 10, Linger: 100 * time.Millisecond},
		Owner: "worker " + strconv.Itoa(number),
	}
	for n := 0; ; n++ {
		_, err := os.Stat(os.Getenv(envStop))
		last := err == nil
		// Every other run has a deadline: it gives back what is unfinished.
		cfg.MaxExecTime = 0
		if n%2 == number%2 && !last {
			cfg.MaxExecTime = 4 * time.Second
		}
		idle, over, err := runOnce(ctx, cfg, book)
		if err != nil {
			return err
		}
		if last && over {
			return nil
		}
		if idle {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// runOnce is one run, noted in the diary. It reports whether there was nothing
// to do for it, and whether there was nothing that others hold either. The
// error is one that no later run can mend.
func runOnce(ctx context.Context, cfg processor.Config, book *diary) (idle, over bool, err error) {
	svc, err := processor.New(cfg)
	if err != nil {
		return false, false, err
	}
	run := deed{What: didRun}
	if cfg.MaxExecTime > 0 {
		run.Until = now() + moment(cfg.MaxExecTime)
	}
	e := book.begin(run)
	rep, err := svc.Run(ctx)
	if rep == nil {
		return false, false, err
	}
	r := rep.BaseResponse()
	e.Run = &outcome{
		Status: r.Status, Loaded: r.Loaded, Delivered: r.Delivered, Objects: r.Objects, Finished: r.Finished, Held: r.Held,
		Released: r.Released, Lost: r.Lost, Resent: r.Resent, ReadByte: r.ReadBytes,
		ElsewhereRecords: r.Dropped + r.RetryErrors + r.FailedErrors + r.CorruptionErrors,
	}
	book.end(ctx, e, err)
	if errors.Is(err, processor.ErrLedger) {
		return false, false, err
	}
	idle = r.Objects == 0
	return idle, idle && err == nil && r.Status == processor.StatusOK && r.Held == 0, nil
}

// A process that stood still, because it was stopped or because the machine had
// no time for it, finds out by a clock that ticks often.
const (
	tick  = 50 * time.Millisecond
	stood = 4 * tick
)

func watchTheClock(ctx context.Context, book *diary) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for last := now(); ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if t := now(); time.Duration(t-last) > stood {
			book.note(deed{What: didStand, From: last, To: t})
			last = t
		} else {
			last = t
		}
	}
}

// stamp is the transform: it notes in every record which lease it was read
// under, and where it stands in its file.
type stamp struct {
	number int
	claims *witnessed
}

// Fingerprint is the same for all workers: they go on with each other's work.
func (*stamp) Fingerprint() string { return "stamp" }

// sent is a record as the queue has it.
type sent struct {
	File   int    `json:"f"`
	Record int    `json:"n"`
	Offset int64  `json:"o"`
	Worker int    `json:"i"`
	Lease  int    `json:"l"`
	Pad    string `json:"pad,omitempty"`
}

func (s *stamp) Apply(_ context.Context, rec source.Record, out *transform.Output) error {
	var r sent
	if err := json.Unmarshal(rec.Data, &r); err != nil {
		return err
	}
	r.Offset, r.Worker, r.Lease = rec.Offset, s.number, s.claims.leaseOf(rec.Object.Key)
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	out.Emit(text)
	return nil
}

// witness is a sink that notes every call, and tells each message by which call
// it was sent.
type witness struct {
	sink.Sink
	book   *diary
	number int
}

// attrCall is the message attribute with the worker's number and its call's.
const attrCall = "call"

func (w *witness) Send(ctx context.Context, batch []sink.Message) error {
	send := deed{What: didSend}
	if deadline, ok := ctx.Deadline(); ok {
		send.Until = now() + moment(time.Until(deadline))
	}
	e := w.book.begin(send)
	for i := range batch {
		batch[i].Attributes = append(batch[i].Attributes, sink.Attribute{Name: attrCall, Type: "String", Value: fmt.Sprintf("%d/%d", w.number, e.Call)})
	}
	err := w.Sink.Send(ctx, batch)
	w.book.end(ctx, e, err)
	return err
}

// witnessed is a claim store whose every call is noted. It gives the leases of
// this process numbers.
type witnessed struct {
	claim.Claimer
	book *diary

	mu      sync.Mutex
	tokens  map[string]int // number of each lease, by key and token
	current map[string]int // number of the last lease of each key
}

func (w *witnessed) leaseOf(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current[key]
}

func (w *witnessed) number(l claim.Lease) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tokens[l.Key+"\x00"+l.Token]
}

func (w *witnessed) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	e := w.book.begin(deed{What: didClaim, Nonce: nonce})
	results, err := w.Claimer.Claim(ctx, owner, nonce, keys, ttl)
	w.mu.Lock()
	for _, r := range results {
		if r.Status != claim.Granted {
			continue
		}
		id := r.Lease.Key + "\x00" + r.Lease.Token
		n, known := w.tokens[id]
		if !known {
			n = len(w.tokens) + 1
			w.tokens[id] = n
		}
		w.current[r.Lease.Key] = n
		f, badKey := fileOf(r.Lease.Key)
		if badKey != nil {
			f = -1 // a part of the retry destination: the judge will complain
		}
		e.Grants = append(e.Grants, grant{f, n, r.Lease.Token, r.Lease.Progress})
	}
	w.mu.Unlock()
	w.book.end(ctx, e, err)
	return results, err
}

// call notes a call on leases.
func (w *witnessed) call(ctx context.Context, what string, leases []claim.Lease, do func() error) error {
	numbers, progress := make([]int, len(leases)), map[int]string{}
	for i, l := range leases {
		numbers[i] = w.number(l)
		if l.Progress != "" && what != didComplete {
			progress[numbers[i]] = l.Progress
		}
	}
	e := w.book.begin(deed{What: what, Leases: numbers, Progress: progress})
	err := do()
	if partial, ok := errors.AsType[*claim.BatchError](err); ok {
		for _, f := range partial.Failed {
			if errors.Is(f.Err, claim.ErrLost) {
				e.Lost = append(e.Lost, numbers[f.Index])
			} else {
				e.Failed = append(e.Failed, numbers[f.Index])
			}
		}
		w.book.end(ctx, e, nil)
		return err
	}
	w.book.end(ctx, e, err)
	return err
}

func (w *witnessed) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	return w.call(ctx, didExtend, leases, func() error { return w.Claimer.Extend(ctx, leases, ttl) })
}

func (w *witnessed) Complete(ctx context.Context, leases []claim.Lease) error {
	return w.call(ctx, didComplete, leases, func() error { return w.Claimer.Complete(ctx, leases) })
}

func (w *witnessed) Release(ctx context.Context, returns []claim.Return) error {
	leases := make([]claim.Lease, len(returns))
	for i, r := range returns {
		leases[i] = r.Lease
	}
	return w.call(ctx, didRelease, leases, func() error { return w.Claimer.Release(ctx, returns) })
}
