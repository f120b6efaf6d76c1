package processor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// follower is what a Watch knows of its source: what appears in it, and what
// has to be looked at again. It belongs to the goroutine that feeds.
type follower struct {
	run     *run
	changes source.Changes // nil until the source could be watched
	rescan  time.Time      // when everything is listed again
	listed  bool           // everything was listed once
	took    time.Duration  // waited for the last listing
}

// follow is the body of Watch: one long pass over what appears, left only for
// what is due in the retry destination, and after errors.
func (r *run) follow() error {
	f := &follower{run: r}
	defer f.close()
	for r.workCtx.Err() == nil {
		p := r.newPass(r.cfg.Source, r.cfg.Split)
		p.again = r.again
		_, err := r.drain(p, func() error { return f.feed(p) })
		if err == nil && r.workCtx.Err() == nil {
			_, err = r.drainRetries()
		}
		switch {
		case err == nil:
		case fault.Is(err, fault.ClassFatal), r.workCtx.Err() != nil:
			return err
		default:
			r.logOutage("list objects", err)
			_ = sleep.For(r.workCtx, r.cfg.PollInterval)
		}
	}
	return nil
}

// close ends the observation of the source. An error of that concerns nothing
// that was listed.
func (f *follower) close() {
	if f.changes == nil {
		return
	}
	_ = f.run.boundedLast("stop watching the source", func() (err error) {
		defer recovered(&err)
		return f.changes.Close()
	})
}

// feed claims what appears, and what is to be looked at again, until something
// is due in the retry destination or work has to stop.
func (f *follower) feed(p *pass) error {
	defer close(p.tasks)
	if err := f.watch(); err != nil {
		return fmt.Errorf("watch the source: %w", err)
	}
	r := f.run
	looked := time.Now()
	var next time.Time // when the source is listed again, whether it tells something or not
	for list := true; ; list = f.wait(next) {
		if r.workCtx.Err() != nil {
			return nil
		}
		if list {
			if err := f.list(p); err != nil {
				return err
			}
			next = time.Now().Add(r.rest(f.took))
		}
		if err := p.revisit(); err != nil {
			return err
		}
		if time.Since(looked) >= r.cfg.PollInterval {
			looked = time.Now()
			due, err := r.retries().due(r.workCtx)
			if r.workCtx.Err() != nil {
				return nil // stopping is no error
			}
			if due || err != nil {
				return err
			}
		}
	}
}

// wait waits until the source tells something, is to be listed anyway, or an object
// is to be looked at again. It reports whether to list the source: that costs, where
// it tells nothing, and does nothing for objects that were listed.
func (f *follower) wait(next time.Time) (list bool) {
	r := f.run
	began := time.Now()
	most := min(next.Sub(began), r.again.next(r.cfg.PollInterval))
	f.changes.Wait(r.workCtx, most)
	return time.Since(began) < most || !time.Now().Before(next)
}

// watch begins to observe the source.
func (f *follower) watch() (err error) {
	if f.changes != nil {
		return nil
	}
	src := f.run.cfg.Source
	if w, ok := src.(source.Watcher); ok {
		f.changes, err = w.Watch(f.run.workCtx)
		return err
	}
	if f.run.cfg.ClaimVersion { // a relister does not tell of new versions
		src = struct{ source.Source }{src}
	}
	f.changes = source.Poll(src)
	return nil
}

// list claims what appeared, or where that is due everything there is.
func (f *follower) list(p *pass) error {
	r := f.run
	now := time.Now()
	all := !f.listed || !now.Before(f.rescan) || r.again.missed()
	if all {
		r.live.held.Store(0)
		r.again.forgetHeld()
		f.rescan = now.Add(r.cfg.RescanInterval)
	}
	p.first = !f.listed
	f.took = 0
	if err := p.offer(timed(f.changes.Objects(r.workCtx, all), &f.took)); err != nil {
		return err
	}
	f.listed = true
	return nil
}

// revisit claims what is to be looked at again.
func (p *pass) revisit() error {
	p.revisited = time.Now()
	objects := p.again.take(p.run)
	for len(objects) > 0 {
		n := min(len(objects), p.block)
		if err := p.claim(objects[:n]); err != nil {
			return err
		}
		objects = objects[n:]
	}
	return nil
}

// revisitAmid is revisit in the midst of a listing, which may take long to be worked
// off: what waits does not wait for its end, and does not become too much to
// remember. What is due at about the same time is asked for together.
func (p *pass) revisitAmid() error {
	if p.again == nil || time.Since(p.revisited) < p.run.cfg.PollInterval/togetherPart {
		return nil
	}
	return p.revisit()
}

// togetherPart is the part of the PollInterval in which what is due is due together.
const togetherPart = 8

// due reports whether something is due in the retry destination.
func (s retrySource) due(ctx context.Context) (bool, error) {
	for _, err := range s.Objects(ctx) {
		return err == nil, err
	}
	return false, nil
}

// maxAgain is how many objects a Watch remembers to come back to. Where there
// were more it lists everything once there is room again.
const maxAgain = 1 << 15

// again are the objects that a Watch has listed and comes back to, because
// another worker held them or they were given back. A nil again notes nothing.
type again struct {
	mu     sync.Mutex
	visits map[string]visit // by the key of the claim
	lost   bool             // something is to be looked at as it is listed now
	over   bool             // there was something to be looked at again that visits had no room for
}

type visit struct {
	object source.Object
	at     time.Time
	held   bool // by another worker
}

func (a *again) add(key string, v visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.visits == nil {
		a.visits = make(map[string]visit)
	}
	if _, ok := a.visits[key]; !ok && len(a.visits) >= maxAgain {
		a.over = true
		return
	}
	a.visits[key] = v
}

// heldByOther notes that another worker holds an object.
func (a *again) heldByOther(key string, o source.Object, delay time.Duration) {
	if a != nil {
		a.add(key, visit{o, time.Now().Add(delay), true})
	}
}

// unclaimed notes that the store gave no answer for an object.
func (a *again) unclaimed(key string, o source.Object, delay time.Duration) {
	if a != nil {
		a.add(key, visit{o, time.Now().Add(delay), false})
	}
}

// gaveBack notes that an object was given back and can be claimed after delay.
func (a *again) gaveBack(o *object, delay time.Duration) {
	switch {
	case o.part != nil: // the retry destination is listed anyway
	case o.end == endChanged: // it is to be seen as it is now
		a.mu.Lock()
		a.lost = true
		a.mu.Unlock()
	default:
		a.add(o.claimKey(), visit{o.src, time.Now().Add(delay), false})
	}
}

// take takes out what is to be looked at now.
func (a *again) take(r *run) (objects []source.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for key, v := range a.visits {
		if v.at.After(now) {
			continue
		}
		delete(a.visits, key)
		objects = append(objects, v.object)
		if v.held {
			r.live.held.Add(-1)
		}
	}
	return objects
}

// next returns how long to wait until something is to be looked at, at most most.
// It is a little longer than for the first: what was noted one after the other is
// asked for together.
func (a *again) next(most time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	together := most / togetherPart
	for _, v := range a.visits {
		most = min(most, v.at.Sub(now)+together)
	}
	return max(most, 0)
}

// missed reports, once, whether everything has to be listed again. For what there
// was no room for that is when half of the room is free: to ask once more for a
// backlog that others are working off would only make it grow.
func (a *again) missed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	missed := a.lost || a.over && len(a.visits) <= maxAgain/2
	if missed {
		a.lost, a.over = false, false
	}
	return missed
}

// forgetHeld forgets the objects that others held, before everything is listed.
func (a *again) forgetHeld() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, v := range a.visits {
		if v.held {
			delete(a.visits, key)
		}
	}
}
