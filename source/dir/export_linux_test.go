package dir

import (
	"encoding/binary"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
)

// WithoutOpenat2 makes s go the way of kernels and sandboxes without openat2.
func (s *Source) WithoutOpenat2() { s.files.openat2 = false }

// UsesOpenat2 reports whether s goes the fast way.
func (s *Source) UsesOpenat2() bool { return s.files.openat2 }

// SetMaxWatched replaces maxWatched.
func (s *Source) SetMaxWatched(n int) { s.maxWatched = n }

// IsLive reports whether the kernel tells c what appears.
func IsLive(c source.Changes) bool {
	l, ok := c.(*live)
	return ok && l.polled == nil
}

// SetMaxArrivals replaces maxArrivals.
func SetMaxArrivals(c source.Changes, bytes int) {
	l := c.(*live)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrived.most = bytes
}

// Observed returns the folders that c observes, in order.
func Observed(c source.Changes) []string {
	l := c.(*live)
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Values(l.folders))
}

// Stall keeps events from being taken note of until release is called.
func Stall(c source.Changes) (release func()) {
	l := c.(*live)
	l.mu.Lock()
	return l.mu.Unlock
}

// Inotify returns the descriptor by which the kernel tells c what appears.
func Inotify(c source.Changes) int { return c.(*live).fd }

// Unmounted tells c what the kernel tells when the directory is unmounted.
func Unmounted(c source.Changes) {
	l := c.(*live)
	l.mu.Lock()
	defer l.mu.Unlock()
	for wd := range l.folders {
		event := make([]byte, unix.SizeofInotifyEvent)
		binary.NativeEndian.PutUint32(event, uint32(wd))
		binary.NativeEndian.PutUint32(event[4:], unix.IN_UNMOUNT)
		l.take(event)
		binary.NativeEndian.PutUint32(event[4:], unix.IN_IGNORED)
		l.take(event)
		return
	}
}

// TakeEvents has c take note of what a read of events gave.
func TakeEvents(c source.Changes, events []byte) {
	l := c.(*live)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(events)
}
