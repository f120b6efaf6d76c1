package processortest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/unspool-go/unspool/source"
)

// Source is a [source.Source] of objects in memory that fails as told. Its
// objects may be changed at any time. The zero value is empty and works; set
// the plain fields before first use. It is safe for concurrent use.
type Source struct {
	// OnList is called before object i of a listing is yielded; its error ends
	// the listing. Defaults to nothing.
	OnList func(ctx context.Context, i int) error
	// OnOpen is called for each Open, and decides how it goes wrong. Defaults
	// to well.
	OnOpen func(ctx context.Context, o source.Object, off int64) ReadFault

	mu      sync.Mutex
	objects map[string]stored
	keys    []string // in the order they are listed
	opens   int
}

type stored struct {
	data    []byte
	version string
	modTime time.Time
}

// ReadFault is what happens to one opening. The zero ReadFault is nothing.
type ReadFault struct {
	// Open is returned in place of a reader.
	Open error
	// Cut, if not nil, is what reading gives after After bytes.
	Cut   error
	After int64
	// Chunk is the most bytes that one Read returns. Defaults to no limit.
	Chunk int
	// Before is called before each Read. Defaults to nothing.
	Before func(ctx context.Context)
}

var _ source.Source = (*Source)(nil)

// Put stores an object under key, in the place of another.
func (s *Source) Put(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string]stored{}
	}
	old, ok := s.objects[key]
	if !ok {
		s.keys = append(s.keys, key)
	}
	s.objects[key] = stored{data, nextVersion(old.version), time.Now()}
}

func nextVersion(v string) string {
	var n int
	_, _ = fmt.Sscanf(v, "v%d", &n) // 0 where there was none
	return fmt.Sprintf("v%d", n+1)
}

// Remove removes an object.
func (s *Source) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	s.keys = slices.DeleteFunc(s.keys, func(k string) bool { return k == key })
}

// Opens returns how many times an object was opened.
func (s *Source) Opens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens
}

// Objects lists what is there when the listing begins.
func (s *Source) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		s.mu.Lock()
		keys := slices.Clone(s.keys)
		s.mu.Unlock()
		for i, key := range keys {
			err := ctx.Err()
			if err == nil && s.OnList != nil {
				err = s.OnList(ctx, i)
			}
			if err != nil {
				yield(source.Object{}, fmt.Errorf("list objects: %w", err))
				return
			}
			if o, _, err := s.find(key); err == nil && !yield(o, nil) {
				return
			}
		}
	}
}

func (s *Source) find(key string) (source.Object, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.objects[key]
	if !ok {
		return source.Object{}, nil, fmt.Errorf("open %s: %w", key, fs.ErrNotExist)
	}
	return source.Object{Key: key, Version: st.version, Size: int64(len(st.data)), ModTime: st.modTime}, st.data, nil
}

// Open implements [source.Source].
func (s *Source) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	s.mu.Lock()
	s.opens++
	s.mu.Unlock()
	var f ReadFault
	if s.OnOpen != nil {
		f = s.OnOpen(ctx, o, off)
	}
	if f.Open != nil {
		return nil, source.Object{}, fmt.Errorf("open %s: %w", o.Key, f.Open)
	}
	found, data, err := s.find(o.Key)
	if err != nil {
		return nil, source.Object{}, err
	}
	if !o.SameAs(found) {
		return nil, source.Object{}, fmt.Errorf("open %s: %w", o.Key, source.ErrChanged)
	}
	data = data[min(off, int64(len(data))):]
	if n >= 0 {
		data = data[:min(n, int64(len(data)))]
	}
	return &body{ctx: ctx, fault: f, data: data}, found, nil
}

// body reads an object as its fault says.
type body struct {
	ctx   context.Context
	fault ReadFault
	data  []byte
	read  int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.fault.Before != nil {
		b.fault.Before(b.ctx)
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.fault.Chunk > 0 {
		p = p[:min(len(p), b.fault.Chunk)]
	}
	if b.fault.Cut != nil {
		if b.read >= b.fault.After {
			return 0, b.fault.Cut
		}
		p = p[:min(int64(len(p)), b.fault.After-b.read)]
	}
	if len(b.data) == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	b.read += int64(n)
	return n, nil
}

func (b *body) Close() error { return nil }
