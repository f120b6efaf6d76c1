package csv

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/unspool-go/unspool/internal/decoder"
	"github.com/unspool-go/unspool/source"
)

// small is the part of the source that reads small objects.
type small struct {
	*tables
	inner source.SmallReader
}

// holder decodes objects that are held whole.
type holder struct {
	*rows
	buf []byte // what is stored
}

// ReadObject implements [source.SmallReader]. One whose header is at fault gives
// [source.ErrTooLarge], so that Open tells why.
func (s *small) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if !decoder.Match(s.cfg.Match).Key(o.Key) {
		return s.inner.ReadObject(ctx, o, dst, max)
	}
	h, ok := s.held.Get().(*holder)
	if !ok {
		h = &holder{rows: newRows(&s.cfg)}
		h.tight = true
	}
	defer s.held.Put(h)
	data, found, err := s.inner.ReadObject(ctx, o, h.buf[:0], max)
	if err != nil {
		return dst, found, err
	}
	h.buf = slices.Grow(data, wordBytes)
	if cap(h.buf) > keepBytes {
		h.buf = nil
	}
	h.take(&s.cfg, data)
	found.Encoding = decoder.Encoding(found.Encoding, "csv", s.options)
	h.begin(found.Key)
	out := dst
	for err == nil && len(out)-len(dst) <= max {
		out, err = h.Append(out)
	}
	if err != io.EOF || len(out)-len(dst) > max {
		return dst, found, fmt.Errorf("csv: read %q: %w", found.Key, source.ErrTooLarge)
	}
	return out, found, nil
}

// take begins with the text of an object.
func (h *holder) take(cfg *Config, data []byte) {
	if charsets[cfg.Charset] != nil {
		h.read(cfg.Charset.reader(bytes.NewReader(data)))
		return
	}
	data = slices.Grow(data, wordBytes)
	h.hold(data[:len(data)+wordBytes], len(data))
}
