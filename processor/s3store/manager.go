package s3store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/viant/afs"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// Scheme is that of the URLs that [Register] is for.
const Scheme = "s3"

// Client is what is used of an [s3.Client].
type Client interface {
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
}

var _ Client = (*s3.Client)(nil)

// Config adjusts a [Manager]. Its zero value works.
type Config struct {
	// PartBytes is the size of the pieces that a large object is sent in: 5 MiB
	// to 5 GiB. 10,000 of them are the largest object that can be written.
	// Defaults to 8 MiB, and so to objects of 78 GiB.
	PartBytes int
	// Parallel is how many pieces are on their way at once, of all uploads
	// together. Defaults to 4.
	Parallel int
}

// Limits of S3, from "Amazon S3 multipart upload limits" of its user guide.
const (
	minPiece  = 5 << 20 // of all but the last
	maxPiece  = 5 << 30
	maxPieces = 10_000
)

// Manager is the afs storage manager of an S3 store. It is safe for concurrent
// use, starts nothing and holds nothing open between calls.
//
// Beyond what afs asks for it has [Manager.All] and [Manager.Begin], which the
// processor's destinations use. Options of afs are ignored, but for the page and
// the matcher of List.
type Manager struct {
	client   Client
	pieceLen int
	slots    chan struct{} // pieces on their way
	buffers  sync.Pool     // of *[]byte, of pieceLen bytes
}

var (
	_ storage.Manager        = (*Manager)(nil)
	_ storage.Checker        = (*Manager)(nil)
	_ storage.Getter         = (*Manager)(nil)
	_ storage.ErrorCoder     = (*Manager)(nil)
	_ storage.WriterProvider = (*Manager)(nil)
	_ destination.Lister     = (*Manager)(nil)
)

// New makes a manager that is registered nowhere, for a scheme of your own:
//
//	afs.GetRegistry().Register("minio", func(...storage.Option) (storage.Manager, error) { return manager, nil })
func New(client Client, cfg Config) (*Manager, error) {
	var errs []error
	if cfg.PartBytes == 0 {
		cfg.PartBytes = 8 << 20
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = 4
	}
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if cfg.PartBytes < minPiece || cfg.PartBytes > maxPiece {
		errs = append(errs, fmt.Errorf("PartBytes is %d: want %d to %d", cfg.PartBytes, minPiece, maxPiece))
	}
	if cfg.Parallel < 0 {
		errs = append(errs, fmt.Errorf("Parallel is %d", cfg.Parallel))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(fmt.Errorf("s3store: %w", err))
	}
	m := &Manager{client: client, pieceLen: cfg.PartBytes, slots: make(chan struct{}, cfg.Parallel)}
	m.buffers.New = func() any { b := make([]byte, 0, m.pieceLen); return &b }
	return m, nil
}

// Register makes a manager and registers it with afs, for all s3:// URLs of the
// process, in place of any other.
func Register(client Client, cfg Config) error {
	m, err := New(client, cfg)
	if err != nil {
		return err
	}
	afs.GetRegistry().Register(Scheme, func(...storage.Option) (storage.Manager, error) { return m, nil })
	return nil
}

// Scheme returns "s3".
func (m *Manager) Scheme() string { return Scheme }

// Close does nothing: a manager holds nothing open.
func (m *Manager) Close() error { return nil }
