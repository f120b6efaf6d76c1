package claim_test

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// The model's times, in ticks of its clock.
const (
	modelTick = time.Second
	modelTTL  = 4 * modelTick
	modelBeat = modelTick
	modelSend = modelTick               // the time-out of a send
	modelNeed = modelSend + modelTick/4 // what a lease must hold for before a send
	modelWork = 5 * modelTick           // for a record: longer than a lease lasts without a heartbeat
	// modelHorizon is when nothing goes wrong any more, and modelEnd when all
	// must be done.
	modelHorizon = 11 * modelTick
	modelEnd     = 100 * modelTick

	modelRecords = 2 // in the one object
	modelKey     = "the object"
)

// world is one run of the model: the real Keeper in two workers, between them
// and the store and the queue a network on which every message waits until the
// scheduler delivers it, and a clock that stands until the scheduler moves it.
type world struct {
	rules rules
	store modelStore
	start time.Time

	// mu guards all below, and the plain fields of actors and packets. The
	// scheduler holds it, but for when it lets time pass or others run.
	mu       sync.Mutex
	actors   []*actor
	packets  []*packet
	accepted [modelRecords]int
	wrong    []string // promises that were broken
}

// packet is a message on its way, or a worker's next step.
type packet struct {
	actor *actor
	what  string // kind of request, "answer" or "step"
	seq   int    // among those of the actor and kind
	sent  time.Time
	late  bool          // held up until it is thawed
	act   func() func() // what it does where it arrives; it returns the answer's delivery
	gone  bool          // nobody waits for it: it was not sent yet, or its sender gave up
}

// actor is a worker process.
type actor struct {
	w      *world
	name   string
	ctx    context.Context
	kill   context.CancelFunc
	paused bool
	keeper *claim.Keeper
	block  *claim.Block
	at     string // where in its program it is
	wakes  time.Time
	beats  []time.Time // when heartbeats left since the last that succeeded
	seqs   map[string]int
}

func (w *world) add(name string) *actor {
	ctx, kill := context.WithCancel(context.Background())
	a := &actor{w: w, name: name, ctx: ctx, kill: kill, seqs: map[string]int{}}
	w.actors = append(w.actors, a)
	var err error
	a.keeper, err = claim.NewKeeper((*modelClient)(a), claim.KeeperConfig{Owner: name, TTL: modelTTL, Beat: modelBeat})
	if err != nil {
		panic(err)
	}
	if !w.rules.noHeartbeat {
		go func() {
			// Between ticks: what happens at one moment, in two goroutines of a
			// worker, would happen in either order.
			a.pause(3 * modelTick / 10)
			_ = a.keeper.Run(ctx) // its only error is a fatal one of the store, of which there is none
		}()
	}
	go a.work()
	return a
}

// dead reports whether the process was killed.
func (a *actor) dead() bool { return a.ctx.Err() != nil }

// set changes what the scheduler sees of the actor.
func (a *actor) set(change func()) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	change()
}

// put puts a message on the network. The caller holds mu.
func (a *actor) put(what string, act func() func()) *packet {
	a.seqs[what]++
	p := &packet{actor: a, what: what, seq: a.seqs[what], sent: time.Now(), act: act}
	a.w.packets = append(a.w.packets, p)
	return p
}

// withdraw takes a message back that has not left. One that is held up on the
// network stays there.
func (a *actor) withdraw(p *packet) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	p.gone = true
	if !p.late {
		a.w.packets = slices.DeleteFunc(a.w.packets, func(q *packet) bool { return q == p })
	}
}

// ask sends a request, and waits for its answer or the end of ctx. do is
// carried out where it arrives.
func ask[T any](ctx context.Context, a *actor, what string, do func() T) (answer T, err error) {
	answered := make(chan T, 1)
	var p *packet
	a.set(func() {
		p = a.put(what, func() func() {
			v := do()
			return func() { answered <- v }
		})
	})
	select {
	case answer = <-answered:
		return answer, nil
	case <-ctx.Done():
	case <-a.ctx.Done():
	}
	a.withdraw(p)
	return answer, fault.Interrupted(errNetwork)
}

// step waits until the scheduler lets the worker go on: it may be held up here
// for any time.
func (a *actor) step(at string) {
	a.set(func() { a.at = at })
	_, err := ask(a.ctx, a, "step", func() struct{} { return struct{}{} })
	if err != nil {
		runtime.Goexit() // killed
	}
}

func (a *actor) sleep(at string, d time.Duration) {
	a.set(func() { a.at, a.wakes = at, time.Now().Add(d) })
	a.pause(d)
}

func (a *actor) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-a.ctx.Done():
		runtime.Goexit()
	}
}

// work is what a worker does: it claims the key, sends its records, each only
// while the lease outlives the send, and completes it.
func (a *actor) work() {
	for {
		a.step("claim")
		ctx, cancel := context.WithTimeout(a.ctx, modelTTL/2)
		block, err := a.keeper.Claim(ctx, []string{modelKey})
		cancel()
		switch {
		case err != nil:
			continue
		case block.Results[0].Status == claim.Done:
			a.set(func() { a.at = "ended" })
			return
		case block.Results[0].Status == claim.Held:
			a.sleep("held", modelTick)
			continue
		}
		a.set(func() { a.block = block })
		hold := claim.Hold{Block: block, Index: 0}
		if a.sendAll(block) {
			a.finish("complete", func(ctx context.Context) error { return a.keeper.Complete(ctx, []claim.Hold{hold}) })
		} else {
			a.finish("release", func(ctx context.Context) error { return a.keeper.Release(ctx, []claim.GiveBack{{Hold: hold}}) })
		}
		a.set(func() { a.block = nil })
	}
}

// sendAll sends the records from the last checkpoint on. It reports whether all
// were accepted.
func (a *actor) sendAll(block *claim.Block) bool {
	lease := block.Results[0].Lease
	n, _ := strconv.Atoi(lease.Progress) // empty is 0
	for n < modelRecords {
		a.step("send " + strconv.Itoa(n))
		if !a.w.rules.noCheck && block.Remaining(0) < modelNeed {
			return false
		}
		ctx, cancel := context.WithTimeout(a.ctx, modelSend)
		_, err := ask(ctx, a, "send", func() struct{} { a.w.accept(lease.Token, n); return struct{}{} })
		cancel()
		if err != nil && !a.w.rules.earlyDone {
			continue
		}
		n++
		block.SetProgress(0, strconv.Itoa(n))
		a.sleep("work", modelWork)
	}
	return true
}

// finish ends the lease, and tries again where no answer came.
func (a *actor) finish(op string, do func(context.Context) error) {
	for range 3 {
		a.step(op)
		ctx, cancel := context.WithTimeout(a.ctx, modelTTL/2)
		err := do(ctx)
		cancel()
		if err == nil || !fault.Is(err, fault.ClassInterrupted) {
			return // done, or lost
		}
	}
	a.keeper.Abandon([]claim.Hold{{Block: a.block, Index: 0}})
}

// accept is the queue.
func (w *world) accept(token string, record int) {
	if !w.store.lives(token) {
		w.breaks("a record is sent under a lease that another may have")
	}
	w.accepted[record]++
}

func (w *world) breaks(promise string) {
	if !slices.Contains(w.wrong, promise) {
		w.wrong = append(w.wrong, promise)
	}
}

// look checks what must hold at every moment.
func (w *world) look() {
	holders := 0
	for _, a := range w.actors {
		if !a.dead() && a.block != nil && a.block.Remaining(0) > 0 {
			holders++
		}
	}
	if holders > 1 {
		w.breaks("two workers believe that they hold the key")
	}
	if w.store.done && slices.Contains(w.accepted[:], 0) {
		w.breaks("the key is done, and a record was never sent")
	}
}

// modelClient is the claim store as an actor sees it.
type modelClient actor

func (c *modelClient) ask(ctx context.Context, what string, do func() error) error {
	a := (*actor)(c)
	answer, err := ask(ctx, a, what, do)
	if err != nil {
		return err
	}
	return answer
}

func (c *modelClient) Claim(ctx context.Context, _, nonce string, _ []string, ttl time.Duration) ([]claim.Result, error) {
	a := (*actor)(c)
	r, err := ask(ctx, a, "claim", func() claim.Result { return a.w.store.claim(nonce, ttl) })
	if err != nil {
		return nil, err
	}
	return []claim.Result{r}, nil
}

func (c *modelClient) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	a := (*actor)(c)
	a.set(func() { a.beats = append(a.beats, time.Now()) })
	err := c.ask(ctx, "extend", func() error { return c.w.store.extend(leases[0], ttl) })
	if err == nil {
		a.set(func() { a.beats = a.beats[len(a.beats)-1:] })
	}
	return err
}

func (c *modelClient) Complete(ctx context.Context, leases []claim.Lease) error {
	return c.ask(ctx, "complete", func() error { return c.w.store.complete(leases[0]) })
}

func (c *modelClient) Release(ctx context.Context, returns []claim.Return) error {
	return c.ask(ctx, "release", func() error { return c.w.store.release(returns[0]) })
}

// move is something that the scheduler may do next.
type move struct {
	verb   string
	packet *packet // or
	actor  *actor
	do     func()
}

func (m move) String() string {
	switch {
	case m.packet != nil:
		return m.verb + " " + m.packet.String()
	case m.actor != nil:
		return m.verb + " " + m.actor.name
	}
	return m.verb
}

// moves lists what may happen next: first what does happen where nothing goes
// wrong, and then, if trouble is allowed, what else may.
func (w *world) moves(trouble bool) []move {
	slices.SortFunc(w.packets, func(a, b *packet) int {
		return cmp.Or(a.sent.Compare(b.sent), cmp.Compare(a.actor.name, b.actor.name), cmp.Compare(a.what, b.what), cmp.Compare(a.seq, b.seq))
	})
	w.actors = slices.DeleteFunc(w.actors, (*actor).dead)
	moves := make([]move, 1, 16)
	moves[0] = move{verb: "tick", do: func() { w.unlocked(func() { time.Sleep(modelTick) }) }}
	add := func(verb string, p *packet, a *actor, do func()) { moves = append(moves, move{verb, p, a, do}) }
	idle := true
	for _, p := range w.packets {
		switch {
		case p.late:
			if trouble {
				add("thaw", p, nil, func() { w.deliver(p) })
			}
			continue
		case p.actor.paused:
			continue
		case idle: // what happens next; or time passes first
			idle = false
			moves = append(moves, moves[0])
			moves[0] = move{"deliver", p, nil, func() { w.deliver(p) }}
		default: // in another order
			add("deliver", p, nil, func() { w.deliver(p) })
		}
		if p.what == "step" {
			continue // it is delayed by a pause
		}
		add("lose", p, nil, func() { w.lose(p) })
		if p.what != "send" && p.what != "answer" { // a send takes effect in time or not at all
			add("delay", p, nil, func() { p.late = true })
		}
	}
	for _, a := range w.actors {
		if a.paused {
			add("resume", nil, a, func() { a.paused = false })
			continue
		}
		add("pause", nil, a, func() { a.paused = true })
		add("kill", nil, a, func() { w.crash(a) })
	}
	if !trouble {
		return moves[:1]
	}
	return moves
}

func (w *world) lose(p *packet) {
	w.packets = slices.DeleteFunc(w.packets, func(q *packet) bool { return q == p })
}

// deliver has a message arrive. Its answer sets out.
func (w *world) deliver(p *packet) {
	w.lose(p)
	answer := p.act()
	switch {
	case p.what == "step" || p.what == "answer":
		if answer != nil {
			answer()
		}
	case !p.gone:
		p.actor.put("answer", func() func() { return answer })
	}
}

// unlocked lets others run.
func (w *world) unlocked(wait func()) {
	w.mu.Unlock()
	defer w.mu.Lock()
	wait()
}

// crash kills a worker; another takes its place.
func (w *world) crash(a *actor) {
	a.kill()
	w.unlocked(synctest.Wait)
	w.packets = slices.DeleteFunc(w.packets, func(p *packet) bool { return p.actor == a && !p.late })
	w.add(a.name + "'")
}

// settle ends all trouble.
func (w *world) settle() {
	for _, p := range slices.Clone(w.packets) {
		if p.late {
			w.deliver(p)
		}
	}
	for _, a := range w.actors {
		a.paused = false
	}
}

func (p *packet) String() string {
	return fmt.Sprintf("%s %s#%d", p.actor.name, p.what, p.seq)
}

// state is everything that decides what can happen from here on, with times as
// seen from now.
func (w *world) state() string {
	var b strings.Builder
	now := time.Now()
	s := &w.store
	fmt.Fprint(&b, now.Sub(w.start), s.done, s.by != "", s.token, s.nonce != "", max(-1, s.expires.Sub(now)), s.progress, w.accepted)
	for _, a := range w.actors {
		fmt.Fprint(&b, "|", a.name, a.paused, a.at, max(-1, a.wakes.Sub(now)), a.keeper.Live())
		if a.block != nil {
			fmt.Fprint(&b, " ", a.block.Results[0].Lease.Token, max(-1, a.block.Remaining(0)))
		}
		for _, t := range a.beats {
			fmt.Fprint(&b, " ", now.Sub(t))
		}
	}
	for _, p := range w.packets {
		fmt.Fprint(&b, "|", p.actor.name, p.what, now.Sub(p.sent), p.late, p.gone)
	}
	return b.String()
}
