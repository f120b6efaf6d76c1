package dir

import (
	"sync"
	"time"
)

// writers is what is known of those who write to a file.
type writers uint8

const (
	unknownWriters writers = iota
	noWriter
	someWriter // has it open
)

// unsettled are the files that were found and cannot be taken yet: somebody is
// still writing to them, or may be, or they are younger than the MinAge. Those
// that look younger than they are are kept when they are taken, too. It is safe
// for concurrent use.
type unsettled struct {
	settle, minAge time.Duration
	// inspect opens a file and says what it is now, and who writes to it.
	inspect func(key string) (info, writers, error)

	mu    sync.Mutex
	files map[string]sighting
	bytes int       // that files take
	round int       // number of the last listing of everything
	next  time.Time // no file is due before; zero if there is none
	over  time.Time // when to look for files that found no room; zero if there are none
}

// sighting is how a file was seen last.
type sighting struct {
	as     info      // zero if nobody looked
	since  time.Time // when it was first seen so
	closed bool      // by its writer: it is just too young
	due    time.Time // when to look again; zero if it was taken
	round  int
}

const (
	// maxUnsettled is the most memory that unsettled takes, in bytes.
	maxUnsettled = 8 << 20
	// sightingBytes is about what a sighting takes besides its key.
	sightingBytes = 256
	// firstLook is how long after a file appeared it is looked at, if nobody was
	// seen to close it until then: it may have been linked into place.
	firstLook = 50 * time.Millisecond
)

func newUnsettled(settle, minAge time.Duration, inspect func(string) (info, writers, error)) *unsettled {
	return &unsettled{settle: max(settle, 0), minAge: minAge, inspect: inspect, files: map[string]sighting{}}
}

// ready reports whether the file that was found as found can be taken. If not,
// it is remembered. seen is what was known of it; nil makes ready look that up.
func (u *unsettled) ready(key string, found info, seen *sighting, now time.Time) bool {
	if seen == nil {
		if s, ok := u.pop(key); ok {
			seen = &s
		}
	}
	var is sighting
	if seen != nil {
		is = *seen
	}
	if is.as != (info{}) && is.as != found {
		is.closed = false // no longer
	}
	var wait time.Duration
	if !is.closed && u.settle > 0 && (seen != nil || now.Sub(found.modTime) < u.settle) {
		latest, who, err := u.inspect(key)
		if err != nil { // which comes again when it is opened
			return true
		}
		if latest != is.as {
			is.as, is.since = latest, now
		}
		found = latest
		wait = u.quiet(is, who, now)
		is.closed = wait <= 0
	}
	if u.minAge > 0 {
		wait = max(wait, u.minAge-now.Sub(found.modTime))
	}
	switch {
	case wait > 0:
		is.due = now.Add(wait)
		u.hold(key, is)
		return false
	case is.closed && found.modTime.After(now): // by a clock ahead of ours: it stays young for long
		is.as, is.due = found, time.Time{}
		u.hold(key, is)
	}
	return true
}

// quiet returns how long to wait until it can be said that nobody writes to a
// file any more.
func (u *unsettled) quiet(is sighting, who writers, now time.Time) time.Duration {
	switch who {
	case noWriter:
		return 0
	case someWriter:
		return u.settle
	}
	wait := u.settle - now.Sub(is.since)
	if age := now.Sub(is.as.modTime); age >= 0 { // else its clock is ahead of ours
		wait = min(wait, u.settle-age)
	}
	return wait
}

// created notes a file that appeared now, and may be written to.
func (u *unsettled) created(key string, now time.Time) {
	u.hold(key, sighting{due: now.Add(firstLook)})
}

// hold remembers a file.
func (u *unsettled) hold(key string, s sighting) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s.round = u.round
	if _, ok := u.files[key]; !ok {
		if u.bytes+len(key)+sightingBytes > maxUnsettled {
			u.over = earlier(u.over, s.due)
			return
		}
		u.bytes += len(key) + sightingBytes
	}
	u.files[key] = s
	u.next = earlier(u.next, s.due)
}

// forget forgets a file.
func (u *unsettled) forget(key []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.files[string(key)]; ok {
		u.remove(string(key))
	}
}

// pop takes a file out.
func (u *unsettled) pop(key string) (sighting, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok := u.files[key]
	if ok {
		u.remove(key)
	}
	return s, ok
}

func (u *unsettled) remove(key string) {
	delete(u.files, key)
	u.bytes -= len(key) + sightingBytes
}

// due calls take for each file that is to be looked at by now, and takes it out.
func (u *unsettled) due(now time.Time, take func(key string, seen sighting)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next.IsZero() || now.Before(u.next) {
		return
	}
	u.next = time.Time{}
	for key, s := range u.files {
		if s.due.IsZero() || s.due.After(now) {
			u.next = earlier(u.next, s.due)
			continue
		}
		u.remove(key)
		take(key, s)
	}
}

// begin begins a listing of everything.
func (u *unsettled) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.round++
	u.over = time.Time{}
}

// end ends a listing of everything, which did not meet files that have gone.
func (u *unsettled) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, s := range u.files {
		if s.round != u.round {
			u.remove(key)
		}
	}
}

// wakes returns when there is something to look at next, or to list all over
// again; zero is never.
func (u *unsettled) wakes() (next, over time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.next, u.over
}

// earlier returns the earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
