// Package destination writes and reads the retry, failed and corruption
// destinations: folders of committed parts, each a file of [Envelope] lines.
//
// A part is created whole and exclusively: it is invisible until it is
// committed, and never extended or overwritten afterwards. Its name is made of
// the object's key, the attempt and a unique mark (see [Name]), so that any
// number of workers can share a destination, and stays below the base whatever
// the key holds.
//
// Plain paths and file:// are written by this package itself: afs replaces
// files by remove and create, and cannot sync. Every other scheme goes through
// the afs manager that is registered for it. One that is a [Lister] and whose
// writers are [Writer]s, such as that of s3store, keeps every promise made here.
// Any other is as durable and atomic as its Upload, and lists one folder at a
// time into memory.
package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/unspool-go/unspool/internal/wholefile"
	"github.com/unspool-go/unspool/processor/fault"
)

// Config describes one destination.
type Config struct {
	// URL is the base: a path, file://, mem:// or any scheme that is registered
	// with afs. Paths are taken as they are, percent signs included. The macros
	// $UUID and $TimePath (yyyy/MM/dd/HH, 24-hour clock, UTC, of Start) are
	// expanded once, in Open.
	URL string
	// Start is the start of the run or request. Defaults to now.
	Start time.Time
}

// Store is an opened destination. It holds nothing open between calls and is
// safe for concurrent use.
//
// Every error of a Store and its parts is marked fault.Interrupted: the
// destination is away, full or not writable, which is no fault of the records
// and costs them no attempt. The one exception is marked fault.Corrupt: this
// destination will never take what was written, such as a record that is too
// large for a queue.
type Store struct {
	url     string
	backend backend
}

// backend is where a Store keeps its parts: [local], [managed], [remote] or [outlet].
// Names are valid slash-separated paths below the base.
type backend interface {
	create(ctx context.Context, name string) (file, error)
	list(ctx context.Context, yield func(Info, error) bool)
	open(ctx context.Context, name string) (io.ReadCloser, error)
	remove(ctx context.Context, name string) error
	sweep(ctx context.Context, before time.Time) (int, error)
}

// file is a part on its way. After commit or abort it holds nothing open.
type file interface {
	// Write fails for good: after an error so do later calls, and commit.
	io.Writer
	// commit makes the file durable and visible. On an error it has aborted,
	// unless that wraps ErrUndecided: then it may be called again.
	commit(ctx context.Context) error
	abort()
}

// Info is one committed part.
type Info struct {
	// Name is the part's path below the base.
	Name string
	// Key and Attempt are parsed back from the name. Where the name had to be
	// shortened Key is not the object's: the envelopes hold the true one.
	Key     string
	Attempt int
	// Size is in bytes, -1 where the scheme does not tell (mem://).
	Size    int64
	ModTime time.Time
}

// Open checks the URL and expands its macros. It touches nothing: folders are
// made with the first part.
func Open(cfg Config) (*Store, error) {
	if err := Check(cfg.URL); err != nil {
		return nil, err
	}
	base, err := Expand(cfg.URL, cfg.Start)
	if err != nil {
		return nil, fmt.Errorf("destination %q: %w", cfg.URL, err)
	}
	s := &Store{url: strings.TrimRight(base, "/")}
	dir, ok := localPath(base)
	if !ok {
		if s.backend, err = newBackend(s.url); err != nil {
			return nil, fmt.Errorf("destination %q: %w", cfg.URL, err)
		}
		return s, nil
	}
	folder, err := wholefile.In(dir)
	if err != nil {
		return nil, fmt.Errorf("destination %q: %w", cfg.URL, err)
	}
	s.backend = local{folder}
	return s, nil
}

// URL returns the base after expansion of the macros.
func (s *Store) URL() string { return s.url }

// Create starts a part for an object key at an attempt (0 for none). The
// caller ends it by Commit or Abort. ctx is that of the part's whole I/O: its
// end may end the part.
func (s *Store) Create(ctx context.Context, key string, attempt int) (*Part, error) {
	unique, err := uuid.NewV7() // ordered by time: parts of a key list by age
	if err != nil {
		return nil, s.fail("name part for", key, err)
	}
	name := Name(key, attempt, strings.ReplaceAll(unique.String(), "-", ""))
	f, err := s.backend.create(ctx, name)
	if err != nil {
		return nil, s.fail("create part for", key, err)
	}
	return &Part{store: s, name: name, file: f}, nil
}

// CreateAs starts a file under a name of the caller's own, a valid relative path
// without hidden elements. It is like a part otherwise. If something has that
// name already, CreateAs or Commit fails with an error that wraps
// [io/fs.ErrExist]; with the schemes that afs uploads to, two that create the same
// name at the same time may both succeed.
func (s *Store) CreateAs(ctx context.Context, name string) (*Part, error) {
	err := checkName(name)
	if err == nil && hidden(name) {
		err = errors.New("the name is hidden")
	}
	if err != nil {
		return nil, s.fail("create", name, err)
	}
	switch b := s.backend.(type) {
	case *remote:
		err = b.vacant(ctx, name)
	case outlet:
		err = errOutlet
	}
	var f file
	if err == nil {
		f, err = s.backend.create(ctx, name)
	}
	if err != nil {
		return nil, s.fail("create", name, err)
	}
	return &Part{store: s, name: name, file: f}, nil
}

// List lists the committed parts below the base, an error last. A base that
// does not exist yet is an empty list. Unfinished parts and hidden files are
// not listed. Listed parts may be deleted while the list goes on.
//
// Memory does not grow with the number of parts in a local folder or in S3;
// other managers of afs list one folder at a time. In S3, keys that are no paths
// (a//b) are left out.
func (s *Store) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		s.backend.list(ctx, func(i Info, err error) bool {
			if err != nil {
				return yield(Info{}, s.fail("list", i.Name, err))
			}
			i.Key, i.Attempt = ParseName(i.Name)
			return yield(i, nil)
		})
	}
}

// Open reads a committed part by its [Info.Name]. One that is gone gives an
// error wrapping [io/fs.ErrNotExist].
func (s *Store) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, s.fail("open part", name, err)
	}
	r, err := s.backend.open(ctx, name)
	if err != nil {
		return nil, s.fail("open part", name, err)
	}
	return r, nil
}

// Delete removes a committed part. One that is gone is no error.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return s.fail("delete part", name, err)
	}
	if err := s.backend.remove(ctx, name); err != nil {
		return s.fail("delete part", name, err)
	}
	return nil
}

// Sweep removes what crashed workers left behind: unfinished parts that nobody
// has written to for olderThan, which should be well above the longest run. It
// returns how many it removed. A worker whose part is swept all the same fails
// to commit it; nothing is lost unnoticed. What schemes of afs leave behind is
// left to them: in S3, to the bucket's lifecycle rule.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	n, err := s.backend.sweep(ctx, time.Now().Add(-olderThan))
	if err != nil {
		return n, s.fail("sweep", "", err)
	}
	return n, nil
}

// fail names the operation and the part, and marks err as interrupted unless it is
// corrupt.
func (s *Store) fail(op, name string, err error) error {
	mark := fault.Interrupted
	if fault.Is(err, fault.ClassCorrupt) {
		mark = fault.Corrupt
	}
	if name == "" {
		return mark(fmt.Errorf("%s destination %q: %w", op, s.url, err))
	}
	return mark(fmt.Errorf("%s %q in destination %q: %w", op, name, s.url, err))
}
