package decompress

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
)

const (
	// bufferBytes is how much of what is stored is read at once.
	bufferBytes = 64 << 10
	// freeBytes is how long an object may get whatever its ratio.
	freeBytes = 64 << 20
	// strideBytes is how often the ratio is looked at: at multiples of that many
	// decoded bytes, so that in each pass it is exceeded at the same place.
	strideBytes = 1 << 20
)

// decoder decodes one format from the buffer it was made with.
type decoder interface {
	// reset begins with a new object.
	reset() error
	// Read ends with io.EOF behind the last member of the object, when the
	// buffer is at its end. Every other error is either one of the buffer's or
	// says what is wrong with the object.
	io.Reader
}

// stream decodes one object after the other.
type stream struct {
	cfg    *Config
	in     stored
	buf    *bufio.Reader
	dec    decoder
	total  int64 // bytes decoded
	broken bool  // the decoder panicked
}

// take returns a stream of a format, at the beginning of what head and body
// hold. body may be nil.
func (s *decoded) take(c codec, head []byte, body io.Reader) *stream {
	st, ok := s.streams[c].Get().(*stream)
	if !ok {
		st = &stream{cfg: &s.cfg}
		st.buf = bufio.NewReaderSize(&st.in, bufferBytes)
		st.dec = newDecoder(c, st)
	}
	st.in, st.total = stored{head: head, body: body}, 0
	st.buf.Reset(&st.in)
	return st
}

// give returns a stream that is not used any more. Those of bzip2 and xz would
// keep megabytes that cannot be used again.
func (s *decoded) give(c codec, st *stream) {
	if st.broken || c == bzipped || c == xzipped {
		return
	}
	st.in = stored{}
	st.buf.Reset(&st.in)
	s.streams[c].Put(st)
}

func newDecoder(c codec, st *stream) decoder {
	switch c {
	case zstandard:
		return newZstd(st.buf, st.cfg.MaxWindowBytes)
	case bzipped:
		return &bzip2Decoder{in: st.buf}
	case xzipped:
		return &xzDecoder{in: st.buf, allowed: st.allows, window: st.cfg.MaxWindowBytes}
	}
	return &gzipDecoder{in: st.buf}
}

// begin begins with the object.
func (st *stream) begin() (err error) {
	defer st.recovered(&err)
	return st.dec.reset()
}

// decode decodes into p, within the limits. What an error means, other than io.EOF,
// verdict tells.
func (st *stream) decode(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), strideBytes-st.total%strideBytes)]
	if left := st.cfg.MaxBytes - st.total; st.cfg.MaxBytes > 0 && left < int64(len(p)) {
		p = p[:left+1] // one byte more tells whether there are more
	}
	n, err = st.read(p)
	st.total += int64(n)
	switch {
	case st.cfg.MaxBytes > 0 && st.total > st.cfg.MaxBytes:
		return n - 1, fmt.Errorf("it is over the limit of %d bytes when decompressed", st.cfg.MaxBytes)
	case err == nil && n > 0 && st.total%strideBytes == 0 && !st.allows(st.total):
		return n, st.overRatio()
	}
	return n, err
}

// allows reports whether n bytes may come of what was used up of the object.
func (st *stream) allows(n int64) bool {
	return st.cfg.MaxRatio < 0 || n <= freeBytes || n/st.cfg.MaxRatio <= st.used()
}

func (st *stream) overRatio() error {
	return fmt.Errorf("%d bytes get more than %d times as long when decompressed", st.used(), st.cfg.MaxRatio)
}

// used is how many stored bytes the decoder has taken.
func (st *stream) used() int64 { return st.in.n - int64(st.buf.Buffered()) }

func (st *stream) read(p []byte) (n int, err error) {
	defer st.recovered(&err)
	return st.dec.Read(p)
}

// errPanic means that a decoder met what its author did not think of.
var errPanic = errors.New("the decoder panicked")

// recovered turns the panic of a decoder into an error: the object is to blame. A
// panic of the inner source goes on.
func (st *stream) recovered(err *error) {
	if st.in.inside {
		return
	}
	if v := recover(); v != nil {
		st.broken = true
		*err = errPanic
	}
}

// verdict returns what an error of decode means: that of the inner source, if
// what is stored cannot be read to its end, or that the object is corrupt.
func (st *stream) verdict(c codec, key string, err error) error {
	if st.in.err == nil {
		_, _ = io.Copy(io.Discard, &st.in) // whose error is looked at
	}
	if st.in.err != io.EOF {
		return st.in.err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fault.Corrupt(fmt.Errorf("decompress %q: %v: %w", key, c, err))
}

// stored is what is stored of an object, as it comes from the inner source.
type stored struct {
	head   []byte    // read already
	body   io.Reader // the rest; nil where there is none
	n      int64     // bytes read
	idle   int       // reads that gave nothing
	err    error     // that ended it, io.EOF among them
	inside bool      // the inner source is reading
}

// Read implements [io.Reader].
func (r *stored) Read(p []byte) (int, error) {
	if n := copy(p, r.head); n > 0 {
		r.head = r.head[n:]
		r.n += int64(n)
		return n, nil
	}
	if r.body == nil && r.err == nil {
		r.err = io.EOF
	}
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	r.inside = true
	n, err := r.body.Read(p)
	r.inside = false
	const patience = 100
	switch {
	case n < 0 || n > len(p):
		n, err = 0, fmt.Errorf("the reader says that it read %d bytes into %d", n, len(p))
	case n > 0:
		r.idle = 0
	case err == nil:
		if r.idle++; r.idle > patience {
			err = io.ErrNoProgress
		}
	}
	r.n += int64(n)
	r.err = err
	return n, err
}
