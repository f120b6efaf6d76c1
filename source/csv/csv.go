// Package csv shows objects of comma-separated values, of another
// [source.Source], as lines of JSON: one object for each row, with the names of
// the columns for members.
//
//	files, err := dir.Open("/data", dir.Config{})
//	…
//	src, err := csv.New(files, csv.Config{Match: []string{"*.csv"}})
//
// What is compressed is decompressed first: csv.New(decompress.New(files)).
//
// Whoever cuts such objects into records does so with the least work where they
// are told that those are lines ([source.FormatLines]).
//
// What is a row and a field is as in RFC 4180 and encoding/csv, except that a
// carriage return before a newline within quotes stays. Blank lines are passed
// over.
//
// A row that cannot be decoded becomes one corrupt record with its reason and its
// text ([source.AppendFlaw]), and its neighbours are what they are: it ends with
// the line in which the fault is, or with the object where a quoted field is not
// closed (with Config.SingleLine: with its line). An object whose header is at
// fault is corrupt as a whole.
//
// The object stays what it is: its key, version, size and time are those of what
// is stored, so that claims, checkpoints and the archiver agree with whoever sees
// it as it is. [source.Object.Encoding] also tells the configuration from any
// other by which the stream would be another. A record's offset is one in the
// stream of JSON: it depends on the configuration too.
//
// A reader takes 256 KiB of memory, or up to three times Config.MaxRowBytes where
// rows are that long.
package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/unspool-go/unspool/internal/decoder"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// New returns a source of the objects of inner, of which those that cfg.Match
// matches are CSV. It has the optional parts that inner has
// ([source.SmallReader], [source.Remover], [source.Mover], [source.Watcher]), and
// no others, but that it is always a [source.Relister] and a [source.Decoder]. It
// reports every mistake in cfg.
//
// inner stays the caller's, to be closed by it.
func New(inner source.Source, cfg Config) (source.Source, error) {
	stream := cfg
	stream.Match = nil // is not about what comes of an object
	options := decoder.Options(stream)
	cfg = cfg.withDefaults()
	err := cfg.check()
	if inner == nil {
		err = errors.Join(errors.New("csv: no source"), err)
	}
	if err != nil {
		return nil, fault.Fatal(err)
	}
	s := &tables{Base: decoder.Base{Source: inner}, cfg: cfg, options: options}
	var reads source.SmallReader
	if in, ok := inner.(source.SmallReader); ok {
		reads = &small{tables: s, inner: in}
	}
	return decoder.WithParts(s, inner, reads), nil
}

// tables is a source whose objects are CSV.
type tables struct {
	decoder.Base
	cfg     Config
	options string
	rows    sync.Pool // of *rows that read
	held    sync.Pool // of *holder
}

// Open implements [source.Source]. An object of CSV is read from its beginning
// only: any other offset gives [source.ErrNoRange].
func (s *tables) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if !decoder.Match(s.cfg.Match).Key(o.Key) {
		return s.Source.Open(ctx, o, off, n)
	}
	if off != 0 {
		return nil, o, fmt.Errorf("csv: open %q at offset %d: %w: it is decoded", o.Key, off, source.ErrNoRange)
	}
	body, found, err := s.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return nil, found, err
	}
	found.Encoding = decoder.Encoding(found.Encoding, "csv", s.options)
	r, ok := s.rows.Get().(*rows)
	if !ok {
		r = newRows(&s.cfg)
	}
	r.read(s.cfg.Charset.reader(body))
	r.begin(found.Key)
	return decoder.NewReader(ctx, fmt.Sprintf("csv: read %q", found.Key), &stored{rows: r, of: s, body: body}, n), found, nil
}

// stored is the rows of an object that is read.
type stored struct {
	*rows
	of   *tables
	body io.Closer
}

// keepBytes is the longest buffer that is kept for the next object.
const keepBytes = 1 << 20

// Close implements [decoder.Rows].
func (r *stored) Close() error {
	if r.in = nil; len(r.buf) <= keepBytes {
		r.of.rows.Put(r.rows)
	}
	return r.body.Close()
}
