package sqsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/viant/afs"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink/sqs"
)

// Scheme is that of the URLs that [Register] is for.
const Scheme = "sqs"

// Client is what is used of the SDK's client, *sqs.Client. One of
// [sqs.NewClient] does.
type Client = sqs.API

// Config adjusts a [Manager]. Its zero value works.
type Config struct {
	// Delay is how long a record that is to be tried again is hidden after the first
	// attempt that failed; after each further one it is twice as long, up to 15
	// minutes. Whole seconds. Defaults to 1 second; negative means not at all. A FIFO
	// queue has a delay of its own only.
	Delay time.Duration
	// Origin tells where a record comes from by what is in it, if it tells: from the
	// file that an earlier stage read, say, instead of the message of this one. It is
	// called by several goroutines at once, and must not change or keep data. Give
	// such a service no [processor.Config.RecordID]: the id would be another one when
	// the record comes again. What no source has, an object without a name, a negative
	// offset or names of more than 4 KiB, is as if it did not tell. Defaults to the
	// place of the record in the input.
	Origin func(data []byte) (Origin, bool)
	// Group makes the message group of a record in a FIFO queue: 1 to 128 letters,
	// digits and punctuation. It is called as Origin is. Defaults to the object that
	// the record comes from, or its hash where that is no such text.
	Group func(data []byte) string
	// Parallel is how many calls of one commit are under way at a time. What the
	// deadline leaves of a request goes to the retry queue record by record, in the
	// last moments that there are. Defaults to 4.
	Parallel int
	// MessageBytes is the queues' MaximumMessageSize, for workers that may send but
	// not read the attributes of a queue. Defaults to asking each queue.
	MessageBytes int
}

// Origin is where a record comes from, in the terms of a source.
type Origin struct {
	Object, Version string
	Offset          int64
}

// maxDelay is the longest that SQS delays a message.
const maxDelay = 15 * time.Minute

// Manager is the afs storage manager of SQS. It is safe for concurrent use, starts
// nothing and holds nothing open between calls. All that it does is to write: queues
// show nothing.
type Manager struct {
	client Client
	cfg    Config

	mu     sync.Mutex
	queues map[queueKey]*queue
}

var (
	_ storage.Manager    = (*Manager)(nil)
	_ destination.Outlet = (*Manager)(nil)
)

// New makes a manager that is registered nowhere, for a scheme of your own: see
// [Register]. Every mistake in cfg is named in the error.
func New(client Client, cfg Config) (*Manager, error) {
	var errs []error
	if cfg.Delay == 0 {
		cfg.Delay = time.Second
	}
	cfg.Delay = max(cfg.Delay, 0)
	if cfg.Parallel == 0 {
		cfg.Parallel = 4
	}
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if cfg.Delay > maxDelay || cfg.Delay%time.Second != 0 {
		errs = append(errs, fmt.Errorf("Delay is %v: want whole seconds up to %v", cfg.Delay, maxDelay))
	}
	if cfg.Parallel < 0 {
		errs = append(errs, fmt.Errorf("Parallel is %d", cfg.Parallel))
	}
	if cfg.MessageBytes < 0 || cfg.MessageBytes > maxBatchBytes {
		errs = append(errs, fmt.Errorf("MessageBytes is %d: want up to %d", cfg.MessageBytes, maxBatchBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(fmt.Errorf("sqsstore: %w", err))
	}
	return &Manager{client: client, cfg: cfg, queues: map[queueKey]*queue{}}, nil
}

// Register makes a manager and registers it with afs, for all sqs:// URLs of the
// process, in place of any other.
func Register(client Client, cfg Config) error {
	m, err := New(client, cfg)
	if err != nil {
		return err
	}
	afs.GetRegistry().Register(Scheme, func(...storage.Option) (storage.Manager, error) { return m, nil })
	return nil
}

// CheckBase says what is wrong with the URL of a destination.
func (m *Manager) CheckBase(url string) error {
	_, name, err := locate(url)
	if err == nil && name != "" {
		err = fmt.Errorf("url %q: there is nothing below a queue", url)
	}
	return err
}

// Begin starts to write a part to the queue of a URL. At first it asks the queue for
// its limits. ctx is that of [Part.Close].
func (m *Manager) Begin(ctx context.Context, url string) (*Part, error) {
	name, path, err := locate(url)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("sqsstore: write: %w", err))
	}
	key, attempt := destination.ParseName(path)
	q, err := m.queue(ctx, name, attempt)
	if err != nil {
		return nil, err
	}
	return &Part{manager: m, ctx: ctx, queue: q, path: path, key: key, attempt: attempt}, nil
}

// NewWriter returns a [Part]. mode is ignored.
func (m *Manager) NewWriter(ctx context.Context, url string, _ os.FileMode, _ ...storage.Option) (io.WriteCloser, error) {
	p, err := m.Begin(ctx, url)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Upload sends the envelopes that reader has. mode is ignored.
func (m *Manager) Upload(ctx context.Context, url string, _ os.FileMode, reader io.Reader, _ ...storage.Option) error {
	p, err := m.Begin(ctx, url)
	if err != nil {
		return err
	}
	if _, err := io.Copy(p, reader); err != nil {
		return err
	}
	return p.Commit(ctx)
}

// Create is Upload of the io.Reader among the options, or of nothing. Folders need no
// creation: for one it does nothing.
func (m *Manager) Create(ctx context.Context, url string, mode os.FileMode, isDir bool, options ...storage.Option) error {
	if isDir {
		return nil
	}
	var content io.Reader = strings.NewReader("")
	for _, o := range options {
		if r, ok := o.(io.Reader); ok {
			content = r
		}
	}
	return m.Upload(ctx, url, mode, content)
}

var errBlind = fault.Fatal(errors.New("sqsstore: a queue shows nothing of what is in it"))

// List fails: queues are not listed.
func (m *Manager) List(context.Context, string, ...storage.Option) ([]storage.Object, error) {
	return nil, errBlind
}

// Open fails, as List does.
func (m *Manager) Open(context.Context, storage.Object, ...storage.Option) (io.ReadCloser, error) {
	return nil, errBlind
}

// OpenURL fails, as List does.
func (m *Manager) OpenURL(context.Context, string, ...storage.Option) (io.ReadCloser, error) {
	return nil, errBlind
}

// Delete fails, as List does.
func (m *Manager) Delete(context.Context, string, ...storage.Option) error { return errBlind }

// Scheme returns "sqs".
func (m *Manager) Scheme() string { return Scheme }

// Close does nothing: a manager holds nothing open.
func (m *Manager) Close() error { return nil }
