// Package output gives a custom processor files to write to, as part of the
// commit of what it processes: see [Open].
//
//	func (p convert) Pre(ctx context.Context, r processor.Reporter) (context.Context, error) {
//		return output.Open(ctx, r, output.Config{Ext: ".ndjson.gz"})
//	}
//
//	func (p convert) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
//		return output.From(ctx).Append("", toJSON(data))
//	}
//
//	func (p convert) Post(ctx context.Context, _ processor.Reporter) error {
//		return output.From(ctx).Commit(ctx)
//	}
package output

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
)

// DefaultMaxOpen is the default of Config.MaxOpen.
const DefaultMaxOpen = 16

// Config configures [Files]. The zero value writes one file of lines for each
// key to the DestinationURL of the service.
type Config struct {
	// URL is the folder: a path, file://, mem:// or any scheme that is registered
	// with afs, such as s3:// of processor/s3store. $UUID and $TimePath are
	// expanded, the latter to the hour in which the call began. Defaults to the
	// DestinationURL of the response.
	URL string
	// Ext is what the names of files end in. If it ends in .gz or .zst they are
	// compressed so. Defaults to ".ndjson".
	Ext string
	// Name returns the name of the n-th file of a key, from 0, below the folder and
	// without Ext: a valid relative path without hidden elements, whatever the key
	// holds. A file is never written in place of another: two of the same name are
	// an error. It is called by one goroutine at a time. Defaults to the key and a
	// part that is unique and in order of time: "eu/orders~0198f3…".
	Name func(key string, n int) string
	// MaxBytes is the size, before compression, from which on a new file is begun
	// for a key. Defaults to 0: never.
	MaxBytes int64
	// MaxRecords is the number of records in a file. Defaults to 0: no bound.
	MaxRecords int64
	// MaxAge is how long a file is written to: the first record that comes later
	// begins a new one. Defaults to 0: no bound.
	MaxAge time.Duration
	// MaxOpen is how many files are written to at once. Where there are more keys
	// than that, the file that was written to least recently is ended, and its key
	// gets another one when it comes again: sort the input by key to spare that.
	// Each holds some 100 KiB, in object stores that and a piece of the file, which
	// is MiBs. Defaults to [DefaultMaxOpen].
	MaxOpen int
}

// Files are the output of one call. Append is for any number of goroutines.
//
// A file is invisible until it is whole and durable. That is at the end of the
// call, by Commit, or when it is full or has to make room for another: what a
// call wrote may then be there although its Commit failed, and comes again with
// the records that are tried again.
//
// Every error of a destination is marked fault.Interrupted. After one, nothing
// can be appended any more and Commit fails, so that all that was processed is
// tried again.
type Files struct {
	cfg    Config
	store  *destination.Store
	ctx    context.Context // of the I/O of all files
	cancel context.CancelFunc

	mu     sync.Mutex
	open   map[string]*list.Element // of *file, by key
	order  list.List                // of *file, what was written to last at the back
	begun  map[string]int           // files of each key, with Config.Name
	ending sync.WaitGroup           // those that are being committed
	urls   []string
	ended  bool
	err    error // the first one
}

type contextKey struct{}

// Open returns a context that holds the files of a call: the Pre of a processor
// returns it, [From] finds them there, and Post must call Commit. It creates
// nothing yet. All mistakes in cfg are reported at once.
func Open(ctx context.Context, reporter processor.Reporter, cfg Config) (context.Context, error) {
	f, err := newFiles(ctx, reporter.BaseResponse(), cfg)
	if err != nil {
		return nil, err
	}
	return context.WithValue(ctx, contextKey{}, f), nil
}

// From returns the files that Open put into a context. It panics where there are
// none: a processor without the Pre that opens them.
func From(ctx context.Context) *Files {
	f, ok := ctx.Value(contextKey{}).(*Files)
	if !ok {
		panic("output: the context holds no files: Pre has to return that of output.Open")
	}
	return f
}

func newFiles(ctx context.Context, resp *processor.Response, cfg Config) (*Files, error) {
	if cfg.URL == "" {
		cfg.URL = resp.DestinationURL
	}
	if cfg.Ext == "" {
		cfg.Ext = ".ndjson"
	}
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = DefaultMaxOpen
	}
	store, err := destination.Open(destination.Config{URL: cfg.URL, Start: resp.StartTime})
	if err = errors.Join(cfg.check(), err); err != nil {
		return nil, fault.Fatal(fmt.Errorf("output: %w", err))
	}
	f := &Files{cfg: cfg, store: store, open: map[string]*list.Element{}}
	if cfg.Name != nil {
		f.begun = map[string]int{}
	}
	// Commit comes after work has stopped, when ctx has ended.
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return f, nil
}

func (c *Config) check() error {
	var errs []error
	mistake := func(wrong bool, field, what string) {
		if wrong {
			errs = append(errs, fmt.Errorf("%s: %s", field, what))
		}
	}
	mistake(!strings.HasPrefix(c.Ext, ".") || strings.Contains(c.Ext, "/"), "Ext", "must start with a dot and hold no slash")
	mistake(c.MaxBytes < 0, "MaxBytes", "must not be negative")
	mistake(c.MaxRecords < 0, "MaxRecords", "must not be negative")
	mistake(c.MaxAge < 0, "MaxAge", "must not be negative")
	mistake(c.MaxOpen < 0, "MaxOpen", "must not be negative")
	return errors.Join(errs...)
}

// Append writes a record as a line to the file of key: a newline follows unless
// record ends in one. key may be empty, and may hold anything: it is made a relative
// path that stays below the folder. The record is not kept.
//
// What Process appended stays in the file, whatever Process returns: append last.
func (f *Files) Append(key string, record []byte) error {
	out, err := f.take(key)
	if err != nil {
		return err
	}
	err = out.append(record)
	out.mu.Unlock() // before f.mu is taken
	if err != nil {
		f.fail(err)
	}
	return err
}

// Commit ends the output: it makes every file visible and durable, and fails if
// anything that was appended is lost. It returns soon after ctx ends; and it fails
// where a store does not tell for two minutes whether it has a file, which may then
// be there.
func (f *Files) Commit(ctx context.Context) error {
	defer f.cancel()
	defer context.AfterFunc(ctx, f.cancel)()
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return errEnded
	}
	f.ended = true
	for f.order.Len() > 0 {
		out := f.remove(f.order.Front())
		go f.commit(out)
	}
	f.mu.Unlock()
	f.ending.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// URLs are those of the files that are visible by now.
func (f *Files) URLs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.urls)
}

var errEnded = fault.Interrupted(errors.New("output: it has ended"))

// fail remembers the first error: what follows would be in vain.
func (f *Files) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// take returns the file of a key, locked. It first ends one that is full, or
// that has to make room.
func (f *Files) take(key string) (*file, error) {
	for {
		out, done, err := f.find(key)
		if done == nil {
			return out, err
		}
		f.commit(done)
	}
}

// find returns the file of a key, locked, or one that has to be committed first.
func (f *Files) find(key string) (out, done *file, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
		return nil, nil, errEnded
	case f.err != nil:
		return nil, nil, f.err
	}
	if e, ok := f.open[key]; ok {
		out = e.Value.(*file)
		out.mu.Lock()
		if !out.full(&f.cfg) {
			f.order.MoveToBack(e)
			return out, nil, nil
		}
		out.mu.Unlock()
		return nil, f.remove(e), nil
	}
	if f.order.Len() >= f.cfg.MaxOpen {
		return nil, f.remove(f.order.Front()), nil
	}
	if out, f.err = f.begin(key); f.err != nil {
		return nil, nil, f.err
	}
	f.open[key] = f.order.PushBack(out)
	out.mu.Lock()
	return out, nil, nil
}

// begin starts a file.
func (f *Files) begin(key string) (*file, error) {
	name, err := f.name(key)
	if err != nil {
		return nil, fault.Interrupted(fmt.Errorf("output: name a file: %w", err))
	}
	part, err := f.store.CreateAs(f.ctx, name+f.cfg.Ext)
	if err != nil {
		return nil, err
	}
	return newFile(key, part, f.cfg.Ext)
}

// name returns the name of the next file of key.
func (f *Files) name(key string) (string, error) {
	if f.cfg.Name != nil {
		n := f.begun[key]
		f.begun[key] = n + 1
		return f.cfg.Name(key, n), nil
	}
	unique, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	mark := strings.ReplaceAll(unique.String(), "-", "")
	if key == "" {
		return mark, nil
	}
	return strings.TrimSuffix(destination.Name(key, 0, mark), ".ndjson"), nil
}

// remove takes a file out, for commit.
func (f *Files) remove(e *list.Element) *file {
	f.ending.Add(1)
	out := f.order.Remove(e).(*file)
	delete(f.open, out.key)
	return out
}

// commit makes a file visible, unless something went wrong before.
func (f *Files) commit(out *file) {
	defer f.ending.Done()
	out.mu.Lock() // for who is still writing to it
	defer out.mu.Unlock()
	f.mu.Lock()
	failed := f.err != nil
	f.mu.Unlock()
	if failed {
		out.part.Abort()
		return
	}
	url, err := out.commit(f.ctx)
	if err != nil {
		f.fail(err)
		return
	}
	f.mu.Lock()
	f.urls = append(f.urls, url)
	f.mu.Unlock()
}
