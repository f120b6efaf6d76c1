package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

var errNoLength = errors.New("the server does not tell where the body ends")

// ReadObject implements [source.SmallReader].
func (s *Source) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	out, found, err := s.readObject(ctx, o, dst, max)
	if err != nil {
		return dst, found, fmt.Errorf("web: read %q: %w", o.Key, err)
	}
	return out, found, nil
}

func (s *Source) readObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if err := s.ready(ctx, o.Key); err != nil {
		return dst, source.Object{}, err
	}
	if o.Size > int64(max) {
		return dst, source.Object{}, source.ErrTooLarge
	}
	resp, err := s.sendInSlot(ctx, http.MethodGet, o.Key, s.header)
	if err != nil {
		return dst, source.Object{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		discard(resp)
		return dst, source.Object{}, statusError(resp)
	}
	if err := checkCoding(o.Key, resp); err != nil {
		return dst, source.Object{}, err
	}
	found := marksOf(o.Key, resp.Header, resp.ContentLength).object
	switch {
	case !o.SameAs(found):
		return dst, found, source.ErrChanged
	case found.Size > int64(max):
		return dst, found, source.ErrTooLarge
	case found.Size < 0:
		out, err := readUnknown(resp, o, dst, max)
		return out, found, err
	}
	out := slices.Grow(dst, int(found.Size)+1)
	room := out[len(dst) : len(dst)+int(found.Size)+1]
	n, err := readUpTo(resp.Body, room)
	switch {
	case err != nil:
		return dst, found, err
	case int64(n) != found.Size:
		return dst, found, cut(int64(n), found.Size)
	}
	return out[:len(dst)+n], found, nil
}

// readUnknown reads a body of no announced length.
func readUnknown(resp *http.Response, o source.Object, dst []byte, max int) ([]byte, error) {
	if !endIsMarked(resp) && o.Size < 0 {
		return dst, errNoLength
	}
	out, got := dst, 0
	for {
		out = slices.Grow(out, 1)
		room := out[len(out):min(cap(out), len(dst)+max+1)]
		n, err := readUpTo(resp.Body, room)
		got += n
		out = out[:len(out)+n]
		switch {
		case err != nil:
			return dst, err
		case got > max:
			return dst, source.ErrTooLarge
		case n == len(room):
			continue
		case o.Size >= 0 && int64(got) < o.Size && !endIsMarked(resp):
			return dst, cut(int64(got), o.Size)
		case o.Size >= 0 && int64(got) != o.Size:
			return dst, source.ErrChanged
		}
		return out, nil
	}
}

// readUpTo fills room, or reads to the end of r.
func readUpTo(r io.Reader, room []byte) (int, error) {
	got := 0
	for got < len(room) {
		n, err := r.Read(room[got:])
		got += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

// cut is the error of a body that ended before its time.
func cut(got, want int64) error {
	return fault.Interrupted(fmt.Errorf("the body ends after %d of %d bytes: %w", got, want, io.ErrUnexpectedEOF))
}

// endIsMarked reports whether the end of a body can be told from a cut
// connection: its length is known, or its last chunk or frame says so.
func endIsMarked(resp *http.Response) bool {
	return resp.ContentLength >= 0 || resp.ProtoMajor >= 2 || slices.Contains(resp.TransferEncoding, "chunked")
}

// codings are those that servers declare for stored files by their names.
var codings = map[string][]string{
	"gzip":   {".gz", ".tgz"},
	"x-gzip": {".gz", ".tgz"},
	"br":     {".br"}, "zstd": {".zst"}, "compress": {".Z"}, "x-compress": {".Z"},
	"bzip2": {".bz2"}, "x-bzip2": {".bz2"}, "xz": {".xz"}, "x-xz": {".xz"},
}

// checkCoding reports whether a body holds the stored bytes. None but those is
// asked for; a server may declare how the stored file is coded, and must not
// code it.
func checkCoding(key string, resp *http.Response) error {
	coding := strings.ToLower(first(resp.Header, "Content-Encoding"))
	if coding == "" || coding == "identity" {
		return nil
	}
	for _, suffix := range codings[coding] {
		if strings.HasSuffix(key, suffix) {
			return nil
		}
	}
	return fmt.Errorf("the server sends it coded (Content-Encoding: %.20q), which was not asked for", coding)
}
