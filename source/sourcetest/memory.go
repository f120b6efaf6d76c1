package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/unspool-go/unspool/source"
)

// Memory is a [source.Source] in memory, for tests. The zero value is empty and
// ready to use. Objects are listed in the order of their keys. It is safe for
// concurrent use, hooks included.
type Memory struct {
	mu       sync.Mutex
	objects  map[string]object
	faults   map[string][]Fault
	versions int
	opened   map[string]int
}

var (
	_ source.Source      = (*Memory)(nil)
	_ source.SmallReader = (*Memory)(nil)
)

type object struct {
	source.Object
	data []byte // never changed
}

// Fault is something that happens while an object is read.
type Fault struct {
	// At is the offset of the byte before which it happens, in every read that
	// gets there; the object's size is before io.EOF, and 0 is the opening.
	At int64
	// Do, when not nil, is called: it may Put or Delete.
	Do func()
	// Err, when not nil, is what the read or the opening fails with.
	Err error
	// Times is how often it happens; 0 is always.
	Times int
}

// NewMemory returns a source that holds the given contents by key.
func NewMemory(files map[string]string) *Memory {
	m := &Memory{}
	for _, key := range slices.Sorted(maps.Keys(files)) {
		m.Put(key, []byte(files[key]))
	}
	return m
}

// Put stores a copy of data under key, as a new version.
func (m *Memory) Put(key string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects = map[string]object{}
	}
	m.versions++
	m.objects[key] = object{
		Object: source.Object{
			Key:     key,
			Version: "v" + strconv.Itoa(m.versions),
			Size:    int64(len(data)),
			ModTime: time.Unix(int64(m.versions), 0).UTC(),
		},
		data: bytes.Clone(data),
	}
}

// Delete removes what is under key.
func (m *Memory) Delete(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
}

// Inject lets f happen to the object under key, whatever its version, besides
// what was injected before.
func (m *Memory) Inject(key string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.faults == nil {
		m.faults = map[string][]Fault{}
	}
	m.faults[key] = append(m.faults[key], f)
}

// Opened returns how often the object under key was opened or read.
func (m *Memory) Opened(key string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened[key]
}

// Objects implements [source.Source].
func (m *Memory) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		m.mu.Lock()
		all := make([]source.Object, 0, len(m.objects))
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			all = append(all, m.objects[key].Object)
		}
		m.mu.Unlock()
		for _, o := range all {
			if ctx.Err() != nil {
				break
			}
			if !yield(o, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(source.Object{}, fmt.Errorf("memory: list: %w", err))
		}
	}
}

// Open implements [source.Source].
func (m *Memory) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	r, found, err := m.open(ctx, o, off, n)
	if err != nil {
		return nil, found, fmt.Errorf("memory: open %q: %w", o.Key, err)
	}
	return r, found, nil
}

func (m *Memory) open(ctx context.Context, o source.Object, off, n int64) (*memoryReader, source.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, source.Object{}, err
	}
	if off == 0 {
		if err := m.happen(o.Key, 0); err != nil {
			return nil, source.Object{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opened == nil {
		m.opened = map[string]int{}
	}
	m.opened[o.Key]++
	found, ok := m.objects[o.Key]
	switch {
	case !ok:
		return nil, source.Object{}, fs.ErrNotExist
	case !o.SameAs(found.Object):
		return nil, found.Object, source.ErrChanged
	case off < 0 || off > found.Size:
		return nil, found.Object, fmt.Errorf("offset %d is outside of %d bytes", off, found.Size)
	}
	end := found.Size
	if n >= 0 {
		end = off + n
	}
	return &memoryReader{ctx: ctx, m: m, object: found, at: off, end: end}, found.Object, nil
}

// happen lets the faults of key at offset at happen.
func (m *Memory) happen(key string, at int64) error {
	m.mu.Lock()
	var now []Fault
	left := m.faults[key][:0]
	for _, f := range m.faults[key] {
		if f.At == at {
			now = append(now, f)
			if f.Times == 1 {
				continue
			}
			f.Times = max(f.Times-1, 0)
		}
		left = append(left, f)
	}
	if len(now) > 0 {
		m.faults[key] = left
	}
	m.mu.Unlock()

	var errs []error
	for _, f := range now {
		if f.Do != nil {
			f.Do()
		}
		errs = append(errs, f.Err)
	}
	return errors.Join(errs...)
}

// nextFault returns the offset of the first fault of key in [at, end), or end.
func (m *Memory) nextFault(key string, at, end int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.faults[key] {
		if f.At >= at {
			end = min(end, f.At)
		}
	}
	return end
}

// ReadObject implements [source.SmallReader].
func (m *Memory) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	r, found, err := m.open(ctx, o, 0, -1)
	if err == nil && found.Size > int64(max) {
		err = source.ErrTooLarge
	}
	if err != nil {
		return dst, found, fmt.Errorf("memory: read %q: %w", o.Key, err)
	}
	out := slices.Grow(dst, int(found.Size)+1)
	for {
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if err == io.EOF {
			return out, found, nil
		}
		if err != nil {
			return dst, found, err
		}
	}
}

// memoryReader reads a range of one version of an object.
type memoryReader struct {
	ctx context.Context
	m   *Memory
	object
	at, end int64
	passed  int64 // the faults before this have happened
	err     error
}

// Read implements [io.Reader].
func (r *memoryReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("memory: read %q: %w", r.Key, err)
	}
	r.err = err
	return n, err
}

func (r *memoryReader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.at > 0 && r.passed <= r.at {
		r.passed = r.at + 1
		if err := r.m.happen(r.Key, r.at); err != nil {
			return 0, err
		}
	}
	if r.at == r.end {
		r.m.mu.Lock()
		defer r.m.mu.Unlock()
		if r.m.objects[r.Key].Version != r.Version {
			return 0, source.ErrChanged
		}
		return 0, io.EOF
	}
	if r.at >= r.Size {
		return 0, io.ErrUnexpectedEOF
	}
	stop := r.m.nextFault(r.Key, r.at+1, min(r.end, r.Size))
	n := copy(p, r.data[r.at:stop])
	r.at += int64(n)
	return n, nil
}

// Close implements [io.Closer].
func (r *memoryReader) Close() error { return nil }
