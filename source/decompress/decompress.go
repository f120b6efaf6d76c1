// Package decompress shows the objects of another [source.Source] decoded: those
// that are compressed with gzip, zstd, bzip2 or xz give their contents, the
// others what is stored. An object may be made of several members or frames, one
// behind the other. What is inside of an archive, or compressed twice, is not
// followed further.
//
// The object stays what it is: its key, version, size and time are those of what
// is stored, so that claims, checkpoints and the archiver agree with whoever sees
// it undecoded.
//
// What a truncated or damaged object holds is read as far as it goes; then the
// read fails with an error marked fault.Corrupt. That is said only when the
// stored object was read to its end without an error: a transport that was cut,
// and an object that changed meanwhile, fail as the inner source has it.
package decompress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	decoders "github.com/unspool-go/unspool/internal/decoder"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Detect is what tells whether, and how, an object is compressed.
type Detect string

const (
	// DetectAuto goes by the first bytes, and by the name where they are no
	// magic number: under a name that ends in .gz, .zst, .bz2 or .xz, text is
	// passed on as it is (as where a transport has decoded it already), and
	// anything else is corrupt.
	DetectAuto Detect = "auto"
	// DetectName goes by the end of the key alone, in any case of letters: what
	// is called .gz and is not gzip is corrupt, whatever else it is.
	DetectName Detect = "name"
	// DetectMagic goes by the first bytes alone.
	DetectMagic Detect = "magic"
)

// Config says how objects are decoded. The zero value works.
type Config struct {
	// Detect defaults to [DetectAuto].
	Detect Detect
	// MaxRatio is how many times as long as what was read of it an object may
	// get, beyond its first 64 MiB. JSON seldom gets 20 times as short; a bomb is
	// a thousand times as long. Defaults to 200; negative means no limit.
	MaxRatio int64
	// MaxBytes is how long an object may get in all. Defaults to 1 TiB; negative
	// means no limit.
	MaxBytes int64
	// MaxWindowBytes is how far back an object may refer (the window of zstd, the
	// dictionary of xz): most of what a reader of it takes of memory, which may
	// be twice as much. Defaults to 64 MiB, which all levels of zstd and xz keep
	// to but zstd --long and --ultra -22. At least 64 KiB.
	MaxWindowBytes int64
}

const (
	defaultRatio  = 200
	defaultBytes  = 1 << 40
	defaultWindow = 64 << 20
	leastWindow   = 64 << 10
	mostWindow    = 1 << 32
)

func (c Config) withDefaults() Config {
	if c.Detect == "" {
		c.Detect = DetectAuto
	}
	for _, d := range []struct {
		field *int64
		value int64
	}{{&c.MaxRatio, defaultRatio}, {&c.MaxBytes, defaultBytes}, {&c.MaxWindowBytes, defaultWindow}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

func (c Config) check() error {
	var errs []error
	switch c.Detect {
	case DetectAuto, DetectName, DetectMagic:
	default:
		errs = append(errs, fmt.Errorf("decompress: Config.Detect: %q is none of %q, %q and %q", c.Detect, DetectAuto, DetectName, DetectMagic))
	}
	if c.MaxWindowBytes < leastWindow || c.MaxWindowBytes > mostWindow {
		errs = append(errs, fmt.Errorf("decompress: Config.MaxWindowBytes: %d is not between %d and %d", c.MaxWindowBytes, leastWindow, int64(mostWindow)))
	}
	return errors.Join(errs...)
}

// New returns a source of the objects of inner, decoded. It has the optional
// parts that inner has ([source.SmallReader], [source.Remover], [source.Mover],
// [source.Watcher]), and no others, but that it is always a [source.Relister]
// and a [source.Decoder]. It reports every mistake in cfg.
//
// inner stays the caller's, to be closed by it.
func New(inner source.Source, cfg Config) (source.Source, error) {
	cfg = cfg.withDefaults()
	err := cfg.check()
	if inner == nil {
		err = errors.Join(errors.New("decompress: no source"), err)
	}
	if err != nil {
		return nil, fault.Fatal(err)
	}
	s := &decoded{Source: inner, cfg: cfg}
	var reads source.SmallReader
	if _, ok := inner.(source.SmallReader); ok {
		reads = small{s}
	}
	return decoders.WithParts(s, inner, reads), nil
}

// decoded is a source whose objects are decoded.
type decoded struct {
	source.Source // what is stored
	cfg           Config
	streams       [numCodecs]sync.Pool // of *stream
	buffers       sync.Pool            // of *[]byte: small objects as they are stored
}

// Stored implements [source.Decoder].
func (s *decoded) Stored() source.Source { return s.Source }

// Open implements [source.Source]. A compressed object is read from its
// beginning only: any other offset gives [source.ErrNoRange].
func (s *decoded) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if s.cfg.Detect == DetectName && named(o.Key) == plain {
		return s.Source.Open(ctx, o, off, n)
	}
	body, found, err := s.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return nil, found, err
	}
	head, err := readHead(body)
	if err != nil {
		return nil, found, errors.Join(err, body.Close())
	}
	c := s.cfg.Detect.codec(found.Key, head)
	switch {
	case c == plain && off == 0 && n < 0:
		return &headed{head: head, ReadCloser: body}, found, nil
	case c == plain:
		_ = body.Close() // only looked into
		return s.Source.Open(ctx, found, off, n)
	case off != 0:
		_ = body.Close() // only looked into
		return nil, found, fmt.Errorf("decompress: open %q at offset %d: %w: it is compressed", found.Key, off, source.ErrNoRange)
	}
	found.Encoding = c.String()
	return s.newReader(ctx, found.Key, c, head, body, n), found, nil
}

// readHead reads what is needed to see how an object is compressed.
func readHead(body io.Reader) ([]byte, error) {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(body, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return head[:n], err
}

// headed is the reader of an object whose first bytes were looked at.
type headed struct {
	head []byte
	io.ReadCloser
}

// Read implements [io.Reader].
func (r *headed) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.ReadCloser.Read(p)
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}
