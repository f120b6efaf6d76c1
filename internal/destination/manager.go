package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/processor/fault"
)

// An afs manager takes a whole file by Upload and gives a whole folder by List.
// What a destination needs beyond that is asked of managers that have it: one
// that is a [Lister], and a storage.WriterProvider whose writers are [Writer]s,
// keeps parts as well as a local folder does. s3store has both. One that is an
// [Outlet] keeps none.

// Lister is a manager that lists lazily.
type Lister interface {
	// All lists every object below a folder, at any depth, an error last. Memory
	// does not grow with their number, and what is listed may be deleted
	// meanwhile. A folder that does not exist is empty.
	All(ctx context.Context, url string) iter.Seq2[storage.Object, error]
}

// Writer writes a file that appears whole, never in place of another, or not at
// all. It is used by one goroutine at a time.
type Writer interface {
	io.WriteCloser
	// Commit creates the file, durably. After an error that wraps [ErrUndecided]
	// it may be called again, after any other the file can only be aborted.
	Commit(ctx context.Context) error
	// Abort discards what was written. It is called in any case; after success it
	// does nothing.
	Abort(ctx context.Context) error
}

// ErrUndecided means that a file may have been created or may not, and that
// another Commit will find out, or create it.
var ErrUndecided = errors.New("it is not known whether the file was created")

// keeper is a manager that keeps parts by itself.
type keeper interface {
	storage.Manager
	storage.WriterProvider
	Lister
}

// managed is a destination whose afs manager is a keeper.
type managed struct {
	written
	manager keeper
}

// written is what is written through the writers of an afs manager.
type written struct {
	base    string
	manager writers
}

// writers is a manager that makes [Writer]s.
type writers interface {
	storage.WriterProvider
	Scheme() string
}

var _ backend = managed{}

func (m written) url(name string) string { return m.base + "/" + name }

func (m written) create(ctx context.Context, name string) (file, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := m.manager.NewWriter(ctx, m.url(name), uploadMode)
	if err != nil {
		return nil, err
	}
	whole, ok := w.(Writer)
	if !ok {
		return nil, fault.Fatal(fmt.Errorf("the afs manager of scheme %s writes nothing that could be aborted", m.manager.Scheme()))
	}
	return managedFile{whole, ctx}, nil
}

// managedFile is a file on its way.
type managedFile struct {
	Writer
	ctx context.Context // of the part's whole I/O
}

func (f managedFile) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUndecided, err)
	}
	err := f.Writer.Commit(ctx)
	if err != nil && !errors.Is(err, ErrUndecided) {
		f.abort()
	}
	return err
}

const (
	// abortTimeout bounds the request that aborts a part.
	abortTimeout = 5 * time.Second
	// lateAbort is what is left for it where the context of the part has ended:
	// not more than the end of a run allows.
	lateAbort = 100 * time.Millisecond
)

// abort has the store discard what it has of the part. Where that fails the
// rest stays there unseen, for the store's own rules to remove.
func (f managedFile) abort() {
	timeout := abortTimeout
	if f.ctx.Err() != nil {
		timeout = lateAbort
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), timeout)
	defer cancel()
	if timeout == abortTimeout {
		defer context.AfterFunc(f.ctx, cancel)()
	}
	_ = f.Writer.Abort(ctx)
}

func (m managed) list(ctx context.Context, yield func(Info, error) bool) {
	if err := ctx.Err(); err != nil {
		yield(Info{}, err)
		return
	}
	for o, err := range m.manager.All(ctx, m.base) {
		if err != nil {
			yield(Info{}, err)
			return
		}
		name, ok := strings.CutPrefix(o.URL(), m.base+"/")
		if !ok || checkName(name) != nil || hidden(name) {
			continue // what has no name below the base cannot be opened by it
		}
		if !yield(Info{Name: name, Size: o.Size(), ModTime: o.ModTime()}, nil) {
			return
		}
	}
}

// hidden reports whether any element of a name starts with a dot.
func hidden(name string) bool { return name[0] == '.' || strings.Contains(name, "/.") }

func (m managed) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.manager.OpenURL(ctx, m.url(name))
}

func (m managed) remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.manager.Delete(ctx, m.url(name))
}

// sweep has nothing to do: what a crash leaves is the store's to remove.
func (m managed) sweep(context.Context, time.Time) (int, error) { return 0, nil }
