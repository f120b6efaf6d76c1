package dir

import "time"

// WithoutOpenat2 makes s go the way of kernels and sandboxes without openat2.
func (s *Source) WithoutOpenat2() { s.files.openat2 = false }

// UsesOpenat2 reports whether s goes the fast way.
func (s *Source) UsesOpenat2() bool { return s.files.openat2 }

// SetSettled replaces settledAge.
func (s *Source) SetSettled(d time.Duration) { s.settled = d }
