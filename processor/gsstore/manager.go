package gsstore

import (
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"github.com/viant/afs"
	afsstorage "github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// Scheme is that of the URLs that [Register] is for.
const Scheme = "gs"

// Config adjusts a [Manager]. Its zero value works.
type Config struct {
	// ChunkBytes is the size of the chunks that a large object is sent in, a
	// multiple of 256 KiB. Defaults to 8 MiB.
	ChunkBytes int
	// Timeout is how long an answer may be waited for, the client's own retries
	// included, and how long a body may stay without a byte. Defaults to 1
	// minute.
	Timeout time.Duration
	// UserProject is the project that pays for the requests, where a bucket wants
	// the requester to pay. Defaults to that of the bucket.
	UserProject string
}

const (
	defaultChunk   = 8 << 20
	defaultTimeout = time.Minute
	// chunkUnit is what chunks are a multiple of. From "Resumable uploads" of the
	// documentation of Cloud Storage.
	chunkUnit = 256 << 10

	// tries bounds the retries of the client, which by themselves go on until the
	// context ends.
	tries = 5
)

// Manager is the afs storage manager of Cloud Storage. It is safe for concurrent
// use, starts nothing and holds nothing open between calls.
//
// Beyond what afs asks for it has [Manager.All] and [Manager.Begin], which the
// processor's destinations use. Options of afs are ignored, but for the page and
// the matcher of List.
type Manager struct {
	client *storage.Client
	cfg    Config
}

var (
	_ afsstorage.Manager        = (*Manager)(nil)
	_ afsstorage.Checker        = (*Manager)(nil)
	_ afsstorage.Getter         = (*Manager)(nil)
	_ afsstorage.ErrorCoder     = (*Manager)(nil)
	_ afsstorage.WriterProvider = (*Manager)(nil)
	_ destination.Lister        = (*Manager)(nil)
)

// New makes a manager that is registered nowhere, for a scheme of your own:
//
//	afs.GetRegistry().Register("gcs", func(...storage.Option) (storage.Manager, error) { return manager, nil })
//
// client is as storage.NewClient returns it, without storage.WithJSONReads.
func New(client *storage.Client, cfg Config) (*Manager, error) {
	var errs []error
	if cfg.ChunkBytes == 0 {
		cfg.ChunkBytes = defaultChunk
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if cfg.ChunkBytes < chunkUnit || cfg.ChunkBytes%chunkUnit != 0 {
		errs = append(errs, fmt.Errorf("ChunkBytes is %d: want a multiple of %d", cfg.ChunkBytes, chunkUnit))
	}
	if cfg.Timeout < 0 {
		errs = append(errs, fmt.Errorf("Timeout is %v", cfg.Timeout))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(fmt.Errorf("gsstore: %w", err))
	}
	return &Manager{client: client, cfg: cfg}, nil
}

// Register makes a manager and registers it with afs, for all gs:// URLs of the
// process, in place of any other.
func Register(client *storage.Client, cfg Config) error {
	m, err := New(client, cfg)
	if err != nil {
		return err
	}
	afs.GetRegistry().Register(Scheme, func(...afsstorage.Option) (afsstorage.Manager, error) { return m, nil })
	return nil
}

// Scheme returns "gs".
func (m *Manager) Scheme() string { return Scheme }

// Close does nothing: a manager holds nothing open.
func (m *Manager) Close() error { return nil }

// bucket is that of a location.
func (m *Manager) bucket(l location) *storage.BucketHandle {
	b := m.client.Bucket(l.bucket).Retryer(storage.WithMaxAttempts(tries),
		storage.WithBackoff(gax.Backoff{Initial: firstWait, Max: lastWait, Multiplier: 2}))
	if m.cfg.UserProject != "" {
		b = b.UserProject(m.cfg.UserProject)
	}
	return b
}

// object is that of a location.
func (m *Manager) object(l location) *storage.ObjectHandle { return m.bucket(l).Object(l.key) }
