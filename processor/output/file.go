package output

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/unspool-go/unspool/internal/codec"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// lineBuffer is what is held back of a file, to be compressed in larger pieces.
const lineBuffer = 64 << 10

// file is one that is being written. Its lock is taken before that of Files is
// given up, so that it is not ended in between.
type file struct {
	key   string
	part  *destination.Part
	begun time.Time

	mu             sync.Mutex
	enc            io.WriteCloser
	buf            *bufio.Writer
	bytes, records int64
}

// newFile takes over part.
func newFile(key string, part *destination.Part, ext string) (*file, error) {
	enc, err := codec.NewWriter(part, ext)
	if err != nil {
		part.Abort()
		return nil, fmt.Errorf("output: %w", err)
	}
	return &file{key: key, part: part, begun: time.Now(), enc: enc, buf: bufio.NewWriterSize(enc, lineBuffer)}, nil
}

// full reports whether another record is for another file.
func (o *file) full(cfg *Config) bool {
	return cfg.MaxBytes > 0 && o.bytes >= cfg.MaxBytes ||
		cfg.MaxRecords > 0 && o.records >= cfg.MaxRecords ||
		cfg.MaxAge > 0 && time.Since(o.begun) >= cfg.MaxAge
}

func (o *file) append(record []byte) error {
	_, err := o.buf.Write(record)
	if err == nil && (len(record) == 0 || record[len(record)-1] != '\n') {
		err = o.buf.WriteByte('\n')
		o.bytes++
	}
	o.bytes += int64(len(record))
	o.records++
	if err != nil {
		return fault.Interrupted(fmt.Errorf("output: append to %s: %w", o.part.Name(), err))
	}
	return nil
}

// commit completes the file. It is aborted after an error.
func (o *file) commit(ctx context.Context) (url string, err error) {
	if err = errors.Join(o.buf.Flush(), o.enc.Close()); err != nil {
		o.part.Abort()
		return "", fault.Interrupted(fmt.Errorf("output: complete %s: %w", o.part.Name(), err))
	}
	for wait := firstWait; ; wait *= 2 {
		url, err = o.part.Commit(ctx)
		if !errors.Is(err, destination.ErrUndecided) {
			return url, err
		}
		if wait > lastWait || sleep.For(ctx, wait) != nil {
			o.part.Abort() // of what the store has of it, should it not be there
			return "", err
		}
	}
}

const (
	// firstWait is the first pause before a store is asked again whether it has a
	// file, lastWait about the longest, and half of the time it is asked for.
	firstWait = 50 * time.Millisecond
	lastWait  = time.Minute
)
