package gsstore

import (
	"context"
	"fmt"
	"io"

	afsstorage "github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
)

// Open is OpenURL for what was listed.
func (m *Manager) Open(ctx context.Context, o afsstorage.Object, options ...afsstorage.Option) (io.ReadCloser, error) {
	return m.OpenURL(ctx, o.URL(), options...)
}

// OpenURL reads an object as it is stored; ctx is that of the whole reading. That
// there is none wraps [io/fs.ErrNotExist]. Where the connection breaks reading
// goes on at that place; an object that ends before its size is an error, never
// io.EOF.
func (m *Manager) OpenURL(ctx context.Context, url string, _ ...afsstorage.Option) (io.ReadCloser, error) {
	l, err := locateObject(url)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("gsstore: read: %w", err))
	}
	a, err := m.attrs(ctx, l)
	if err != nil {
		return nil, lookError(ctx, "read", l, err)
	}
	if a.Size == 0 {
		return &body{ctx: ctx, at: l}, nil
	}
	from, err := gcpclient.Open(ctx, gcpclient.Stretch{
		Object: m.object(l), Generation: a.Generation, Size: a.Size, End: a.Size, Idle: m.cfg.Timeout,
	})
	if err != nil {
		return nil, lookError(ctx, "read", l, err)
	}
	return &body{ctx: ctx, at: l, from: from}, nil
}

// body is an object that is being read.
type body struct {
	ctx  context.Context // of the whole reading
	at   location
	from *gcpclient.Reader // nil of one without bytes
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.from == nil {
		return 0, io.EOF
	}
	n, err := b.from.Read(p)
	if err != nil && err != io.EOF {
		err = callError(b.ctx, "read", b.at, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.from == nil {
		return nil
	}
	return b.from.Close()
}
