package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// stretch reads a part of an object that was opened, with as many requests as it
// takes: a body that is cut is asked for from there on, for the same ETag.
type stretch struct {
	s     *Source
	ctx   context.Context
	found source.Object
	etag  string
	part  part    // what is left of it
	a     *answer // nil before the first request and after a cut
	cuts  int     // in a row, without a byte in between
}

// read returns io.EOF when the whole stretch was read, and the answer that ended
// it was complete.
func (t *stretch) read(p []byte) (int, error) {
	for {
		if t.a == nil {
			if err := t.ask(); err != nil {
				return 0, err
			}
		}
		left := t.part.end - t.part.off
		if left == 0 {
			return 0, t.finish()
		}
		n, err := t.a.read(p[:min(int64(len(p)), left)])
		t.part.off += int64(n)
		if n > 0 {
			t.cuts = 0
		}
		if err != nil && t.part.off < t.part.end {
			err = t.cut(err)
		} else if err == io.EOF {
			err = nil // finish meets it again
		} else if err != nil {
			return n, fault.Interrupted(ended(t.ctx, err))
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// ask sends the request for what is left.
func (t *stretch) ask() error {
	if t.etag == "" {
		return fault.Interrupted(errors.New("the store gives no ETag to go on by"))
	}
	// get compares what it finds, for stores that ignore If-Match.
	a, err := t.s.get(t.ctx, t.found, t.etag, t.part)
	if err != nil {
		return err
	}
	t.a = a
	return nil
}

// cut closes a body that ended early. It waits, and returns an error once there
// were too many of them.
func (t *stretch) cut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	t.close()
	if t.cuts++; t.cuts == tries {
		return fault.Interrupted(fmt.Errorf("cut %d times at byte %d: %w", tries, t.part.off, err))
	}
	_ = sleep.For(t.ctx, wait(t.cuts))
	if end := t.ctx.Err(); end != nil {
		return fault.Interrupted(end)
	}
	return nil
}

// finish makes sure that an answer ends where it should: the SDK compares
// checksums there.
func (t *stretch) finish() error {
	if t.a.part.end > t.part.end {
		return io.EOF // of more than was asked for
	}
	var more [1]byte
	for {
		n, err := t.a.read(more[:])
		switch {
		case err == io.EOF && n == 0:
			return io.EOF
		case err == nil && n == 0:
			continue
		case err == nil || err == io.EOF:
			err = errors.New("the body is longer than announced")
		}
		return fault.Interrupted(ended(t.ctx, err))
	}
}

func (t *stretch) close() {
	if t.a != nil {
		t.a.close()
		t.a = nil
	}
}
