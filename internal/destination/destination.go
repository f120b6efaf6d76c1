// Package destination writes and reads the retry, failed and corruption
// destinations: folders of committed parts, each a file of envelopes.
package destination

import (
	"context"
	"io"
	"iter"
	"time"
)

// Config describes one destination.
type Config struct {
	// URL is the base: a path, file://, mem:// or any scheme that is registered
	// with afs. The macros $UUID and $TimePath (yyyy/MM/dd/HH, 24-hour clock,
	// UTC, of Start) are expanded once, in Open.
	URL string
	// Start is the start of the run or request.
	Start time.Time
}

// Store is an opened destination. It is safe for concurrent use.
type Store struct{}

// Check reports what is wrong with a destination URL without touching it: an
// empty or malformed URL, a scheme nobody registered.
func Check(url string) error { panic("to be written") }

// Open expands the macros. It touches nothing: folders are made with the first
// part.
func Open(cfg Config) (*Store, error) { panic("to be written") }

// URL returns the base after expansion of the macros.
func (s *Store) URL() string { panic("to be written") }

// Part is a file being written. It becomes visible, whole, under its final name
// by Commit, or never.
type Part struct{}

// Create starts a part for an object key at an attempt (0 for none):
// <base>/<object path>-retryNN~<unique><ext>, without -retryNN at attempt 0.
// The part never overwrites or extends another.
func (s *Store) Create(ctx context.Context, key string, attempt int) (*Part, error) {
	panic("to be written")
}

// Write appends to the part.
func (p *Part) Write(b []byte) (int, error) { panic("to be written") }

// Commit makes the part durable and visible and returns its URL. For file://
// that is fsync of the file, rename, fsync of the folder.
func (p *Part) Commit(ctx context.Context) (url string, err error) { panic("to be written") }

// Abort discards the part. It is a no-op after Commit.
func (p *Part) Abort() { panic("to be written") }

// Info is one committed part.
type Info struct {
	// Name is the part's path below the base.
	Name string
	// Key and Attempt are parsed back from the name.
	Key     string
	Attempt int
	Size    int64
	ModTime time.Time
}

// List lists the committed parts below the base, an error last. A base that
// does not exist yet is an empty list. Unfinished parts are not listed.
func (s *Store) List(ctx context.Context) iter.Seq2[Info, error] { panic("to be written") }

// Open reads a committed part.
func (s *Store) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	panic("to be written")
}

// Delete removes a committed part. One that is gone is no error.
func (s *Store) Delete(ctx context.Context, name string) error { panic("to be written") }

// Name is the final name below the base of a part, and ParseName its inverse.
// The counter is parsed from and written to the end of the file name's stem
// only: never to a folder, bucket or elsewhere in the name.
func Name(key string, attempt int, unique string) string { panic("to be written") }

// ParseName takes a part's (or any object's) name apart: its key without
// counter and unique mark, and the attempt (0 without a counter).
func ParseName(name string) (key string, attempt int) { panic("to be written") }

// Envelope is one line of a part: a record with its origin and what happened.
// It is JSON, in this order, so that the data can be streamed last.
type Envelope struct {
	Object  string    `json:"object"`
	Version string    `json:"version,omitempty"`
	Offset  int64     `json:"offset"`
	Index   int       `json:"index,omitempty"` // of the output value, with Stage "sink"
	Attempt int       `json:"attempt,omitempty"`
	Class   string    `json:"class"`  // a fault.Class name
	Reason  string    `json:"reason"` // no payload
	Time    time.Time `json:"time"`
	// Stage says what Data is: "" an input record, "sink" an output value that
	// the sink refused, "ticket" nothing: the record starts at Offset of the
	// object and reaches to its end, and is read from there again.
	Stage string `json:"stage,omitempty"`
	// Data is the record, written as "data" where it is valid UTF-8 and as
	// "data64" (base64) otherwise.
	Data []byte `json:"-"`
}

// Append appends the envelope as one line, newline included.
func (e *Envelope) Append(dst []byte) []byte { panic("to be written") }

// Stream writes the envelope with the data of r, as data64, in bounded memory.
func (e *Envelope) Stream(w io.Writer, r io.Reader) (n int64, err error) { panic("to be written") }

// ParseEnvelope reads one line. ok is false where it is not an envelope: it is
// then to be treated as a raw record.
func ParseEnvelope(line []byte) (e Envelope, ok bool) { panic("to be written") }
