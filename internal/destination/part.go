package destination

import (
	"context"
	"errors"
)

// errEnded is returned by a Part that was committed or aborted before.
var errEnded = errors.New("part has ended")

// Part is a file being written. It becomes visible, whole, under its final name
// by Commit, or never. It is used by one goroutine at a time, and must be ended
// by Commit or Abort.
type Part struct {
	store *Store
	name  string
	file  file
	ended bool
}

// Name is the part's path below the base, as [Info.Name] will be.
func (p *Part) Name() string { return p.name }

// Write appends to the part. After an error it can only be aborted: Commit fails
// with the same error.
func (p *Part) Write(b []byte) (int, error) {
	if p.ended {
		return 0, p.store.fail("write part", p.name, errEnded)
	}
	n, err := p.file.Write(b)
	if err != nil {
		return n, p.store.fail("write part", p.name, err)
	}
	return n, nil
}

// Commit makes the part durable and visible and returns its URL. For a local
// destination that is fsync of the file, link under the final name, fsync of
// the folders. After an error the part is aborted: its records are not written,
// but if the folder could not be synced, a crash may leave them there as well.
//
// An error that wraps [ErrUndecided] is different: the part may be there, and
// Commit can be called again, until it is known, also with another context. A
// new part in its stead might be the second with the same records.
func (p *Part) Commit(ctx context.Context) (url string, err error) {
	if p.ended {
		return "", p.store.fail("commit part", p.name, errEnded)
	}
	err = p.file.commit(ctx)
	p.ended = !errors.Is(err, ErrUndecided)
	if err != nil {
		return "", p.store.fail("commit part", p.name, err)
	}
	return p.store.url + "/" + p.name, nil
}

// Abort discards the part. It is a no-op after Commit or Abort.
func (p *Part) Abort() {
	if !p.ended {
		p.ended = true
		p.file.abort()
	}
}
