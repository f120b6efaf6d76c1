package processor

import (
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/source"
)

// OnDone says what becomes of an object that Do has dealt with.
type OnDone string

const (
	// OnDoneKeep leaves it where it is.
	OnDoneKeep OnDone = ""
	// OnDoneDelete deletes it.
	OnDoneDelete OnDone = "delete"
	// OnDoneMove moves it to OnDoneURL, under its key.
	OnDoneMove OnDone = "move"
)

// checkDone reports mistakes in what becomes of objects.
func (c *Config) checkDone(bad func(field, format string, args ...any)) {
	switch c.OnDone {
	case OnDoneKeep, OnDoneDelete:
		if c.OnDoneURL != "" {
			bad("OnDoneURL", "is for OnDone: move")
		}
	case OnDoneMove:
	default:
		bad("OnDone", "%q is neither delete nor move", c.OnDone)
		return
	}
	remover, removes := stored(c.Source).(source.Remover)
	_, moves := remover.(source.Mover)
	switch {
	case c.OnDone == OnDoneKeep:
	case c.Source == nil:
		bad("OnDone", "needs a Source, whose objects Do is given")
	case !removes:
		bad("OnDone", "%T cannot remove objects", c.Source)
	case c.OnDone == OnDoneMove && !moves:
		bad("OnDone", "%T cannot move objects", c.Source)
	case c.OnDone == OnDoneMove && c.OnDoneURL == "":
		bad("OnDoneURL", "required with OnDone: move")
	case c.OnDone == OnDoneMove:
		if err := destination.CheckMacros(c.OnDoneURL); err != nil {
			bad("OnDoneURL", "%v", err)
		} else if s, ok := c.Source.(interface{ URL() string }); ok && destination.Inside(c.OnDoneURL, s.URL()) {
			bad("OnDoneURL", "lies in the source %s: what is put there would be processed", s.URL())
		}
	}
}

// stored is the source of the objects as they are stored.
func stored(s source.Source) source.Source {
	if d, ok := s.(source.Decoder); ok {
		return d.Stored()
	}
	return s
}

// done notes that an object was read to its end by a push run.
func (r *run) done(o source.Object) {
	if !r.push {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = append(r.read, o)
}

// named notes that a ticket which a push run leaves names an object, or that not
// all of an object could be read: it must stay.
func (r *run) named(key string) {
	if !r.push {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tickets == nil {
		r.tickets = map[string]bool{}
	}
	r.tickets[key] = true
}

// remove deletes or moves what was read to its end and is settled, as
// Config.OnDone says. It comes last: what fails here is told, and costs nothing
// but that the object is still there.
func (r *run) remove() {
	r.mu.Lock()
	var objects []source.Object
	for _, o := range r.read {
		if !r.tickets[o.Key] {
			objects = append(objects, o)
		}
	}
	r.mu.Unlock()
	if r.cfg.OnDone == OnDoneKeep || len(objects) == 0 {
		return
	}
	var errs []error // written by the goroutine, read only if it returned
	err := r.boundedLast("remove objects", func() (err error) {
		defer recovered(&err)
		if r.cfg.OnDone == OnDoneDelete {
			errs = stored(r.cfg.Source).(source.Remover).Remove(r.lastCtx, objects)
			return nil
		}
		to, err := destination.Expand(r.cfg.OnDoneURL, r.reporter.BaseResponse().StartTime)
		if err == nil {
			errs = stored(r.cfg.Source).(source.Mover).Move(r.lastCtx, objects, to)
		}
		return err
	})
	if err != nil {
		r.errs.add(fmt.Errorf("%s what is done: %w", r.cfg.OnDone, err))
		return
	}
	for i, o := range objects {
		err := errors.New("the source does not say whether it did")
		if i < len(errs) {
			err = errs[i]
		}
		if err != nil {
			r.errs.add(fmt.Errorf("%s %s, which is done: %w", r.cfg.OnDone, o.Key, err))
			continue
		}
		r.live.removed.Add(1)
	}
}
