package file

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// Writer writes messages to an [io.Writer]. It is safe for concurrent use.
//
// An error of the writer is marked fault.Fatal and repeated by every later
// call: nobody knows how much of a line arrived.
type Writer struct {
	mu  sync.Mutex
	buf *bufio.Writer
}

var (
	_ sink.Sink    = (*Writer)(nil)
	_ sink.Flusher = (*Writer)(nil)
)

// writerBuffer is what is held back until Flush, at most.
const writerBuffer = 64 << 10

// NewWriter returns a sink to w, which it does not close. What it holds back is
// written by Flush.
func NewWriter(w io.Writer) *Writer { return &Writer{buf: bufio.NewWriterSize(w, writerBuffer)} }

// Limits says that there are none, and that Flush is needed.
func (w *Writer) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{NeedsFlush: true}, nil
}

// Send writes the bodies as lines.
func (w *Writer) Send(ctx context.Context, batch []sink.Message) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(fmt.Errorf("send to writer: %w", err))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, refused, err := writeLines(w.buf, batch)
	if err != nil {
		return fault.Fatal(fmt.Errorf("send to writer: %w", err))
	}
	return refused
}

// Flush writes what was held back.
func (w *Writer) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(fmt.Errorf("flush writer: %w", err))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.buf.Flush(); err != nil {
		return fault.Fatal(fmt.Errorf("flush writer: %w", err))
	}
	return nil
}
