package dir

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
)

// live is the Changes of a directory that the kernel tells of. A goroutine reads
// what it tells, from Watch to Close, so that the kernel's queue is short
// however long a listing takes.
//
// Each folder is observed before it is read, by whoever lists: what appears in
// it before is listed, and what appears after is told. A new folder is a name
// like any other until then.
type live struct {
	s      *Source
	view   *view
	events *os.File
	fd     int // of events, which its method Fd would make blocking
	ending chan struct{}
	reader sync.WaitGroup
	wake   chan struct{} // holds an element when there is something new below

	mu      sync.Mutex
	ended   bool             // nothing is observed any more
	folders map[int32]string // observed: the key with a slash, by watch descriptor
	arrived arrivals
	rescan  bool // something was missed: everything has to be listed
	blind   bool // something cannot be observed: the directory has to be polled

	// Of the goroutine that lists.
	full   bool      // everything is to be listed
	batch  []arrival // else these, with those of a listing that was broken off
	polled source.Changes
	closed bool

	key []byte // scratch of the goroutine that reads
}

const (
	observed = unix.IN_CREATE | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	// nap is how long events gather before the next ones are read: waking up for
	// each file costs several times what a file costs. Those that come after a
	// silence do not wait.
	nap = 20 * time.Millisecond
	// eventsBuffer is enough for a thousand events. Where that many have gathered
	// there is no nap.
	eventsBuffer = 64 << 10
	// maxLeft is how many names of listings that were broken off are kept.
	maxLeft = 4 << 10
)

// observe returns nil where the kernel cannot tell of what appears.
func (s *Source) observe(v *view) source.Changes {
	if !local(s.files.fd) {
		return nil
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	c := &live{
		s: s, view: v, fd: fd, events: os.NewFile(uintptr(fd), "inotify"),
		ending: make(chan struct{}), wake: make(chan struct{}, 1),
		folders: map[int32]string{}, arrived: arrivals{most: maxArrivals}, full: true,
	}
	v.observe = c.observe
	c.reader.Go(c.read)
	return c
}

// observe observes the folder whose key, with a slash at the end, is prefix.
func (c *live) observe(prefix string) error {
	// An event that comes at once finds the folder when the lock is free.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blind {
		return nil
	}
	h, err := c.s.files.folder(prefix, unix.O_PATH)
	if err != nil {
		return err
	}
	defer h.close()
	if !local(h.fd) {
		c.blind = true
		return nil
	}
	switch wd, err := unix.InotifyAddWatch(c.fd, fmt.Sprintf("/proc/self/fd/%d", h.fd), observed); err {
	case nil:
		c.folders[int32(wd)] = prefix
		c.blind = len(c.folders) > c.s.maxWatched
	case unix.EACCES: // nor can it be listed
		return err
	default: // a limit was reached, or there is no /proc
		c.blind = true
	}
	return nil
}

// read reads events until Close.
func (c *live) read() {
	buf := make([]byte, eventsBuffer)
	timer := time.NewTimer(nap)
	defer timer.Stop()
	for {
		n, err := c.events.Read(buf)
		c.mu.Lock()
		c.blind = c.blind || err != nil
		if !c.ended {
			c.take(buf[:n])
		}
		c.mu.Unlock()
		select {
		case c.wake <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
		if n > len(buf)/2 {
			continue
		}
		timer.Reset(nap)
		select {
		case <-timer.C:
		case <-c.ending:
			return
		}
	}
}

// take notes what a read of events tells.
func (c *live) take(events []byte) {
	now := time.Now()
	for len(events) >= unix.SizeofInotifyEvent {
		// See struct inotify_event in inotify(7): wd, mask, cookie, len, name.
		wd := int32(binary.NativeEndian.Uint32(events))
		mask := binary.NativeEndian.Uint32(events[4:])
		size := unix.SizeofInotifyEvent + uint64(binary.NativeEndian.Uint32(events[12:]))
		if size > uint64(len(events)) {
			return
		}
		name := events[unix.SizeofInotifyEvent:size]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		events = events[size:]
		c.event(wd, mask, name, now)
	}
}

func (c *live) event(wd int32, mask uint32, name []byte, now time.Time) {
	prefix, ok := c.folders[wd]
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		c.rescan = true
	case !ok: // no longer observed
	case mask&unix.IN_IGNORED != 0:
		delete(c.folders, wd)
	case mask&unix.IN_UNMOUNT != 0: // what lay under it may be seen now
		c.rescan = true
	case mask&unix.IN_MOVE_SELF != 0:
		if prefix != "" {
			c.moved(prefix)
		}
	case len(name) == 0 || c.s.ignores(name):
	case mask&unix.IN_ISDIR != 0:
		if !c.s.cfg.Flat {
			c.arrive(prefix, name, "/")
		}
	case mask&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO) != 0:
		c.arrive(prefix, name, "")
	case !c.rescan:
		c.view.unsettled.created(prefix+string(name), now)
	}
}

// arrive notes the name to be listed that its parts make up.
func (c *live) arrive(prefix string, name []byte, end string) {
	if c.rescan { // which finds it
		return
	}
	c.key = append(append(append(c.key[:0], prefix...), name...), end...)
	c.view.unsettled.forget(c.key)
	c.rescan = !c.arrived.add(c.key)
}

// moved ends the observation of a folder that was renamed, perhaps out of the
// directory, and of all in it. Where it is now it is a new one. Should that have
// been listed already it is listed again.
func (c *live) moved(prefix string) {
	for wd, p := range c.folders {
		if strings.HasPrefix(p, prefix) {
			_, _ = unix.InotifyRmWatch(c.fd, uint32(wd)) // fails if it has gone
			delete(c.folders, wd)
		}
	}
	c.arrive(prefix, nil, "")
}

// Objects implements [source.Changes].
func (c *live) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		if err := c.begin(all); err != nil {
			yield(source.Object{}, err)
			return
		}
		if c.polled != nil {
			c.polled.Objects(ctx, all)(yield)
			return
		}
		l := listing{s: c.s, ctx: ctx, yield: yield, now: time.Now(), seen: &stamps{unsure: true}, view: c.view}
		defer l.closeAll()
		var err error
		if c.full {
			err = l.all()
		} else {
			err = l.arrivals(c.batch)
		}
		switch err {
		case nil:
			c.full, c.batch = false, nil
		case errStopped:
		default:
			yield(source.Object{}, err)
		}
	}
}

// begin settles what is to be listed.
func (c *live) begin(all bool) error {
	if c.closed {
		return fmt.Errorf("dir: list %q: %w", c.s.path, fs.ErrClosed)
	}
	if c.polled != nil {
		return nil
	}
	now := time.Now()
	_, over := c.view.unsettled.wakes()
	c.mu.Lock()
	arrived, blind := c.arrived.take(), c.blind
	c.full = c.full || all || c.rescan || reached(over, now) || len(c.batch) > maxLeft
	c.rescan = false
	c.mu.Unlock()
	switch {
	case blind:
		c.view.observe = nil
		c.polled = c.s.poll(c.view)
		return c.end()
	case c.full:
		c.batch = nil
		c.unwatch()
		return nil
	}
	for _, key := range arrived {
		c.batch = append(c.batch, arrival{key: key})
	}
	c.view.unsettled.due(now.Add(nap), func(key string, seen sighting) {
		c.batch = append(c.batch, arrival{key, &seen})
	})
	// A folder comes before what is in it, and NameOrder is this order.
	slices.SortFunc(c.batch, func(a, b arrival) int { return strings.Compare(a.key, b.key) })
	return nil
}

// unwatch ends the observation of folders that are passed over by now, as when
// they grew old.
func (c *live) unwatch() {
	if c.s.cfg.SkipFolder == nil {
		return
	}
	c.mu.Lock()
	folders := maps.Clone(c.folders)
	c.mu.Unlock()
	for wd, prefix := range folders { // without the lock: it asks the user
		if c.s.skipsPath(prefix) {
			// It may have gone. The kernel confirms it with an event, which takes it
			// off the list.
			_, _ = unix.InotifyRmWatch(c.fd, uint32(wd))
		}
	}
}

// skipsPath is skips for a folder of which nobody asked whether those that it is
// in are passed over.
func (s *Source) skipsPath(prefix string) bool {
	for i, c := range prefix {
		if c == '/' && s.skips(prefix[:i+1]) {
			return true
		}
	}
	return false
}

// Wait implements [source.Changes].
func (c *live) Wait(ctx context.Context, most time.Duration) {
	if c.polled != nil {
		c.polled.Wait(ctx, most)
		return
	}
	end := time.Now().Add(most)
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		next, over := c.view.unsettled.wakes()
		at := earlier(earlier(end, next), over)
		if c.ready() || reached(at, time.Now()) {
			return
		}
		timer.Reset(time.Until(at))
		select {
		case <-c.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// ready reports whether there is something to list.
func (c *live) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.full || len(c.batch) > 0 || len(c.arrived.keys) > 0 || c.rescan || c.blind || c.closed
}

// reached reports whether it is at or later; zero is never.
func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Close implements [source.Changes].
func (c *live) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.polled != nil {
		return c.polled.Close()
	}
	return c.end()
}

// end ends the observation.
func (c *live) end() error {
	c.mu.Lock()
	c.ended = true // the descriptor may be another's from here on
	c.mu.Unlock()
	close(c.ending)
	err := c.events.Close()
	c.reader.Wait()
	return err
}

// arrivals lists what has arrived, in the order of its keys.
func (l *listing) arrivals(batch []arrival) error {
	if l.s.closed.Load() {
		return l.fail("", fs.ErrClosed)
	}
	var in opened
	defer in.close()
	for len(batch) > 0 {
		if err := l.ctx.Err(); err != nil {
			return l.fail("", err)
		}
		a := batch[0]
		batch = batch[1:]
		path := strings.TrimSuffix(a.key, "/")
		slash := strings.LastIndexByte(path, '/') + 1
		if !in.open(&l.s.files, path[:slash]) {
			continue // it was removed or renamed
		}
		if path == a.key {
			l.here = &in
			if err := l.offer(a.key, entry{kind: kindUnknown}, a.sighting()); err != nil {
				return err
			}
		} else if _, k, err := in.look(path[slash:]); err == nil && k == kindFolder {
			for len(batch) > 0 && strings.HasPrefix(batch[0].key, a.key) {
				batch = batch[1:] // it is met there
			}
			l.enter(a.key)
		}
		if err := l.walk(); err != nil {
			return err
		}
	}
	return l.end()
}

// opened is the folder of an arrival, kept open for the next one.
type opened struct {
	file
	prefix string
	is     bool
}

// open opens the folder whose key, with a slash at the end, is prefix. It reports
// false if there is none.
func (o *opened) open(f *files, prefix string) bool {
	if o.is && o.prefix == prefix {
		return true
	}
	o.close()
	h, err := f.folder(prefix, unix.O_PATH)
	*o = opened{file: h, prefix: prefix, is: err == nil}
	return o.is
}

func (o *opened) close() {
	if o.is {
		o.file.close()
		o.is = false
	}
}
