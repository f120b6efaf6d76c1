package decompress

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/unspool-go/unspool/source"
)

// keepBytes is the longest buffer that is kept for the next small object.
const keepBytes = 1 << 20

// small is the part of a decoded source that reads small objects.
type small struct{ *decoded }

// ReadObject implements [source.SmallReader]. One that is broken gives
// [source.ErrTooLarge], so that what can be read of it is read through Open.
func (s small) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	inner := s.Source.(source.SmallReader) // or there is no small
	buf := s.buffer()
	defer s.keep(buf)
	into := dst
	packed := s.cfg.Detect != DetectMagic && named(o.Key) != plain
	if packed {
		into = (*buf)[:0]
	}
	// What cannot be compressed gets a little longer.
	out, found, err := inner.ReadObject(ctx, o, into, max+max/64+4096)
	if err != nil {
		return dst, found, err
	}
	if packed {
		*buf = out
	}
	data := out[len(into):]
	c := s.cfg.Detect.codec(found.Key, data[:min(len(data), headBytes)])
	switch {
	case c != plain && !packed:
		*buf = append((*buf)[:0], data...)
		return s.unpack(c, *buf, found, dst, max)
	case c != plain:
		return s.unpack(c, data, found, dst, max)
	case len(data) > max:
		return dst, found, tooLarge(found.Key)
	case packed:
		return append(dst, data...), found, nil
	}
	return out, found, nil
}

func (s small) buffer() *[]byte {
	if buf, ok := s.buffers.Get().(*[]byte); ok {
		return buf
	}
	return new([]byte)
}

func (s small) keep(buf *[]byte) {
	if cap(*buf) <= keepBytes {
		s.buffers.Put(buf)
	}
}

// unpack appends to dst what comes of data, if that is sound and not more than
// max bytes.
func (s small) unpack(c codec, data []byte, found source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	found.Encoding = c.String()
	size := int64(0)
	switch c {
	case gzipped:
		size = gzipSize(data)
	case zstandard:
		size = zstdSize(data)
	}
	if size > int64(max) {
		return dst, found, tooLarge(found.Key)
	}
	st := s.take(c, data, nil)
	defer s.give(c, st)
	if st.begin() != nil {
		return dst, found, tooLarge(found.Key)
	}
	out := slices.Grow(dst, int(size)+1)
	for {
		n, err := st.decode(out[len(out):min(cap(out), len(dst)+max+1)])
		out = out[:len(out)+n]
		switch {
		case err == io.EOF && len(out)-len(dst) <= max:
			return out, found, nil
		case err != nil, len(out)-len(dst) > max:
			return dst, found, tooLarge(found.Key)
		case len(out) == cap(out):
			out = slices.Grow(out, min(len(out), max)+1)
		}
	}
}

// tooLarge says that an object is to be read through Open.
func tooLarge(key string) error {
	return fmt.Errorf("decompress: read %q: %w", key, source.ErrTooLarge)
}
