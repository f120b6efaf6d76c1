package gsstore

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"cloud.google.com/go/storage"
	afsstorage "github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
)

// Upload writes an object with what reader has, in bounded memory, unless there
// is one of that name: the error then wraps [io/fs.ErrExist]. mode is ignored.
// Where reader fails or panics nothing is written.
func (m *Manager) Upload(ctx context.Context, url string, _ os.FileMode, reader io.Reader, _ ...afsstorage.Option) error {
	u, err := m.Begin(ctx, url)
	if err != nil {
		return err
	}
	defer u.giveUp() // no more than a formality after success
	if _, err := io.Copy(u, reader); err != nil {
		return err
	}
	return u.Commit(ctx)
}

// NewWriter returns an [Upload]: Close creates the object. mode is ignored.
func (m *Manager) NewWriter(ctx context.Context, url string, _ os.FileMode, _ ...afsstorage.Option) (io.WriteCloser, error) {
	u, err := m.Begin(ctx, url)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// Create writes an object as Upload does, from the io.Reader among the options
// or empty. Folders need no creation: for one it does nothing.
func (m *Manager) Create(ctx context.Context, url string, mode os.FileMode, isDir bool, options ...afsstorage.Option) error {
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

// Delete deletes the object of a URL. That there is none is no error. What is
// below the URL stays: folders are not deleted.
func (m *Manager) Delete(ctx context.Context, url string, _ ...afsstorage.Option) error {
	l, err := locateObject(url)
	if err != nil {
		return fault.Fatal(fmt.Errorf("gsstore: delete: %w", err))
	}
	limited, cancel := context.WithTimeoutCause(ctx, m.cfg.Timeout, gcpclient.ErrStalled)
	defer cancel()
	object := m.object(l).Retryer(storage.WithPolicy(storage.RetryAlways)) // what is deleted twice is deleted
	err = gcpclient.Why(limited, object.Delete(limited))
	if err != nil && gcpclient.Judge(ctx, err) != gcpclient.Missing {
		return callError(ctx, "delete", l, err)
	}
	return nil
}
