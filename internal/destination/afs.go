package destination

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/viant/afs"
	afsurl "github.com/viant/afs/url"
)

const (
	uploadMode = 0o644
	partBuffer = 32 << 10 // bytes held back per part, to hand over larger pieces
)

// memory guards what mem:// of afs does without a lock: it makes its manager on
// first use, and two uploads that both create a folder lose one of the two,
// with the file in it. Both are process-wide, so the lock is too.
var memory sync.Mutex

// remote is a destination of another scheme, through afs. An upload there is
// taken to be whole: nothing appears if its reader fails.
type remote struct {
	base    string
	service afs.Service
}

var _ backend = (*remote)(nil)

// newBackend returns what keeps parts below a URL of a scheme of afs.
func newBackend(base string) (backend, error) {
	r := &remote{base: base, service: afs.New()}
	if r.isMemory() { // it is made under a lock
		return r, nil
	}
	scheme, _, _ := strings.Cut(base, "://")
	provider, err := afs.GetRegistry().Get(scheme)
	if err != nil {
		return nil, err
	}
	manager, err := provider()
	if err != nil {
		return nil, fmt.Errorf("make the afs manager of scheme %s: %w", scheme, err)
	}
	switch m := manager.(type) {
	case keeper:
		return managed{written{base, m}, m}, nil
	case Outlet:
		return outlet{written{base, m}}, nil
	}
	return r, nil
}

func (r *remote) url(name string) string {
	if name == "." {
		return r.base
	}
	return r.base + "/" + name
}

// prepare does under the lock what mem:// does not: it makes the manager, and
// the folder of a file to come.
func (r *remote) prepare(ctx context.Context, name string) error {
	if !r.isMemory() {
		return nil
	}
	memory.Lock()
	defer memory.Unlock()
	if name == "" {
		return r.service.Init(ctx, r.base)
	}
	url := r.url(name)
	return r.service.Create(ctx, url[:strings.LastIndexByte(url, '/')], os.ModeDir|0o755, true)
}

func (r *remote) isMemory() bool { return strings.HasPrefix(r.base, "mem://") }

func (r *remote) create(ctx context.Context, name string) (file, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx, name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	f := &remoteFile{pipe: writer, cancel: cancel, done: make(chan struct{})}
	f.buf = bufio.NewWriterSize(writer, partBuffer)
	f.stop = context.AfterFunc(ctx, f.interrupt) // frees a blocked Write
	go func() {
		defer close(f.done)
		f.err = r.service.Upload(ctx, r.url(name), uploadMode, reader)
		reader.CloseWithError(cmp.Or(f.err, io.ErrClosedPipe))
	}()
	return f, nil
}

// vacant fails where something has the name, which an upload would replace.
func (r *remote) vacant(ctx context.Context, name string) error {
	if err := r.prepare(ctx, ""); err != nil {
		return err
	}
	exists, err := r.service.Exists(ctx, r.url(name))
	if err == nil && exists {
		err = fs.ErrExist
	}
	return err
}

// remoteFile is an upload under way. Its goroutine ends with commit or abort,
// as far as the manager honours its context.
type remoteFile struct {
	pipe   *io.PipeWriter
	buf    *bufio.Writer
	cancel context.CancelFunc
	stop   func() bool // takes back what create left to the end of its context
	done   chan struct{}
	err    error // of the upload, once done is closed
}

func (f *remoteFile) Write(b []byte) (int, error) { return f.buf.Write(b) }

func (f *remoteFile) commit(ctx context.Context) error {
	defer f.cancel()
	stop := context.AfterFunc(ctx, f.interrupt)
	defer stop()
	if err := f.buf.Flush(); err != nil {
		f.abort()
		return cmp.Or(ctx.Err(), err)
	}
	if err := ctx.Err(); err != nil {
		f.abort()
		return err
	}
	f.pipe.Close()
	select {
	case <-f.done:
		f.stop()
		return f.err
	case <-ctx.Done():
		return ctx.Err() // it may still succeed: then the part is there as well
	}
}

// errAborted ends the reader of an upload that must not be completed.
var errAborted = errors.New("part aborted")

// interrupt makes the upload fail, whether it reads or sends.
func (f *remoteFile) interrupt() {
	f.pipe.CloseWithError(errAborted)
	f.cancel()
}

// abort does not wait for the manager, which may not honour its context.
func (f *remoteFile) abort() {
	f.stop()
	f.interrupt()
}

func (r *remote) list(ctx context.Context, yield func(Info, error) bool) {
	if err := r.prepare(ctx, ""); err != nil {
		yield(Info{}, err)
		return
	}
	if err := r.listFolder(ctx, ".", yield); err != nil && !errors.Is(err, errStop) {
		yield(Info{}, err)
	}
}

func (r *remote) listFolder(ctx context.Context, dir string, yield func(Info, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	url := r.url(dir)
	objects, err := r.service.List(ctx, url)
	if err != nil {
		if r.gone(ctx, url) {
			return nil
		}
		return err
	}
	for _, o := range objects {
		if o.Name() == "" || o.Name()[0] == '.' || o.IsDir() && afsurl.Equals(url, o.URL()) {
			continue // hidden, or the folder itself, which afs lists too
		}
		name := path.Join(dir, o.Name())
		if o.IsDir() {
			if err := r.listFolder(ctx, name, yield); err != nil {
				return err
			}
			continue
		}
		info := Info{Name: name, Size: o.Size(), ModTime: o.ModTime()}
		if r.isMemory() {
			info.Size = -1 // it says 0 of every file
		}
		if !yield(info, nil) {
			return errStop
		}
	}
	return nil
}

// gone reports whether nothing is at url, which afs has no common error for.
func (r *remote) gone(ctx context.Context, url string) bool {
	exists, err := r.service.Exists(ctx, url)
	return err == nil && !exists
}

func (r *remote) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := r.prepare(ctx, ""); err != nil {
		return nil, err
	}
	body, err := r.service.OpenURL(ctx, r.url(name))
	if err != nil && r.gone(ctx, r.url(name)) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return body, err
}

func (r *remote) remove(ctx context.Context, name string) error {
	if err := r.prepare(ctx, ""); err != nil {
		return err
	}
	err := r.service.Delete(ctx, r.url(name))
	if err != nil && r.gone(ctx, r.url(name)) {
		return nil
	}
	return err
}

// sweep has nothing to do: an upload is whole or leaves nothing.
func (r *remote) sweep(context.Context, time.Time) (int, error) { return 0, nil }
