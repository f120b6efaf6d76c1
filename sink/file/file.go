// Package file writes messages as lines: to files of a folder ([Sink]) or to
// any writer, such as standard output ([Writer]).
//
// A message's body is written as it is, with a newline after it unless it ends
// in one. With the lines packing that is NDJSON. Bodies of other packings that
// hold newlines, such as pretty-printed JSON, are values one after the other,
// not one a line.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/unspool-go/unspool/internal/codec"
	"github.com/unspool-go/unspool/internal/wholefile"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// Config configures a [Sink].
type Config struct {
	// Ext is what the names of files end in. If it ends in .gz or .zst they are
	// compressed so. Defaults to ".ndjson".
	Ext string
	// MaxBytes is the size, before compression, from which on a new file is
	// begun; a file is longer only if a single batch is. Defaults to 128 MiB.
	MaxBytes int64
}

// DefaultMaxBytes is the default of [Config.MaxBytes].
const DefaultMaxBytes = 128 << 20

// Sink writes messages to files of one folder. It is safe for concurrent use,
// and any number of sinks and processes can share a folder.
//
// A file is hidden until it is whole and durable: by Flush, or when it is full.
// It is never written to again. Each Flush after a Send so makes a file; names
// are unique and in order of time. What a crash leaves behind is hidden, and
// removed by Sweep.
//
// Errors of the file system are marked fault.Interrupted, a full disk too;
// those of permission fault.Fatal.
type Sink struct {
	cfg    Config
	folder *wholefile.Folder

	mu     sync.Mutex
	out    *output // nil until something is written
	lost   error   // why messages accepted since the last Flush are gone
	closed bool
}

// output is a file being written.
type output struct {
	name string
	file *wholefile.File
	enc  io.WriteCloser
	size int64 // before compression; of complete batches
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Flusher = (*Sink)(nil)
	_ io.Closer    = (*Sink)(nil)
)

// New returns a sink to the folder dir. It touches nothing: the folder is made
// with the first file.
func New(dir string, cfg Config) (*Sink, error) {
	if cfg.Ext == "" {
		cfg.Ext = ".ndjson"
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	var errs []error
	if strings.TrimSpace(dir) == "" {
		errs = append(errs, errors.New("dir is empty"))
	}
	if !strings.HasPrefix(cfg.Ext, ".") || !fs.ValidPath("x"+cfg.Ext) || strings.ContainsAny(cfg.Ext, "/\\\x00") || len(cfg.Ext) > 32 {
		errs = append(errs, fmt.Errorf("ext %q is not a file extension", cfg.Ext))
	}
	if cfg.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("max bytes %d is negative", cfg.MaxBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("file sink: %w", err)
	}
	folder, err := wholefile.In(dir)
	if err != nil {
		return nil, fmt.Errorf("file sink %q: %w", dir, err)
	}
	return &Sink{cfg: cfg, folder: folder}, nil
}

// Limits says that there are none, and that Flush is needed.
func (s *Sink) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{NeedsFlush: true}, nil
}

// Send appends the bodies to the present file. After an error nothing of the
// batch will ever be visible; if that took earlier messages along, the next
// Flush fails.
func (s *Sink) Send(ctx context.Context, batch []sink.Message) error {
	if err := ctx.Err(); err != nil {
		return s.fail("send to", err)
	}
	if len(batch) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.Fatal(s.fail("send to", fs.ErrClosed))
	}
	if err := s.rotate(size(batch)); err != nil {
		return s.fail("send to", err)
	}
	if s.out == nil {
		out, err := s.create()
		if err != nil {
			return s.fail("send to", err)
		}
		s.out = out
	}
	n, empty, err := writeLines(s.out.enc, batch)
	if err != nil {
		// Half a batch may be in the file, so it can never be published.
		s.abandon(err)
		return s.fail("send to", err)
	}
	s.out.size += n
	return empty
}

// size is how many bytes a batch takes at most.
func size(batch []sink.Message) int64 {
	var n int64
	for _, m := range batch {
		n += int64(len(m.Body)) + 1
	}
	return n
}

// create starts a file.
func (s *Sink) create() (*output, error) {
	unique, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	name := strings.ReplaceAll(unique.String(), "-", "") + s.cfg.Ext
	f, err := s.folder.Create(name)
	if err != nil {
		return nil, err
	}
	enc, err := codec.NewWriter(f, s.cfg.Ext)
	if err != nil {
		f.Abort()
		return nil, err
	}
	return &output{name: name, file: f, enc: enc}, nil
}

// rotate publishes the present file if n more bytes would make it too large.
func (s *Sink) rotate(n int64) error {
	if s.out == nil || s.out.size == 0 || s.out.size+n <= s.cfg.MaxBytes {
		return nil
	}
	return s.publish()
}

// publish makes the present file visible, or abandons it.
func (s *Sink) publish() error {
	if s.out == nil {
		return nil
	}
	if s.out.size == 0 {
		s.abandon(nil)
		return nil
	}
	if err := s.out.enc.Close(); err != nil {
		s.abandon(err)
		return err
	}
	err := s.out.file.Commit()
	if err != nil {
		s.lost = errors.Join(s.lost, err)
	}
	s.out = nil
	return err
}

// abandon discards the present file, and remembers why if messages are lost
// that were accepted before.
func (s *Sink) abandon(err error) {
	if s.out.size > 0 {
		s.lost = errors.Join(s.lost, err)
	}
	s.out.file.Abort()
	s.out = nil
}

// Flush makes the present file visible and durable. It fails if anything that
// was accepted since the last successful Flush is lost, and starts afresh.
func (s *Sink) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return s.fail("flush", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush()
}

func (s *Sink) flush() error {
	err := s.publish()
	if s.lost != nil {
		err, s.lost = s.lost, nil
	}
	if err != nil {
		return s.fail("flush", err)
	}
	return nil
}

// Close flushes, and ends the sink. It may be repeated.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.flush()
}

// Sweep removes what crashed processes left behind: files that are not whole
// and that nobody has written to for olderThan, which should be well above the
// longest time between two calls of Flush. It returns how many it removed.
func (s *Sink) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	n, err := s.folder.Sweep(ctx, time.Now().Add(-olderThan))
	if err != nil {
		return n, s.fail("sweep", err)
	}
	return n, nil
}

// fail names the operation and the folder, and classifies err.
func (s *Sink) fail(op string, err error) error {
	err = fmt.Errorf("%s folder %q: %w", op, s.folder.Path(), err)
	if errors.Is(err, fs.ErrPermission) {
		return fault.Fatal(err)
	}
	return fault.Interrupted(err)
}
