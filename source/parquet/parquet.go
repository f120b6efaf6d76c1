// Package parquet shows Apache Parquet objects, of another [source.Source], as
// lines of JSON: one object for each row.
//
//	src, err := parquet.New(files, parquet.Config{Match: []string{"*.parquet"}})
//
// Groups are objects, lists arrays, and maps with keys that are strings objects
// too (other maps are arrays of objects with key and value). Decimals are numbers
// with all their digits. Timestamps are RFC 3339, with a Z if they are in UTC and
// without a zone if they are local; dates and times of day likewise; what lies
// beyond the years 0 to 9999 is the number that is stored, of the old timestamps of 12
// bytes these. Floats that are no numbers are "NaN", "Infinity" and "-Infinity". A
// UUID is its usual text, JSON is embedded, and other bytes are base64.
//
// A value that cannot be shown makes one corrupt record of its row
// ([source.AppendFlaw]); a page that cannot be read makes one of the rest of its
// row group, and says which rows those are. An object whose footer is at fault is
// corrupt as a whole.
//
// Parquet is read at its end first. An object of known size is so through ranges
// of the inner source; where that has none, as when it decompresses, the object
// is held in memory if it is small, and else in a temporary file.
//
// Of each column one page is in memory, with its dictionary, and the next 256 KiB
// of what is stored: the smaller of Config.MaxMemoryBytes and what the writer
// made it. Nothing grows with the number of rows or row groups.
package parquet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/unspool-go/unspool/internal/decoder"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// UTF8 is what becomes of a row with a string that is not UTF-8.
type UTF8 string

const (
	// RejectUTF8 makes it a flaw.
	RejectUTF8 UTF8 = "reject"
	// ReplaceUTF8 puts U+FFFD in the place of each byte that is not.
	ReplaceUTF8 UTF8 = "replace"
)

// Config says how objects are read. The zero value works.
type Config struct {
	// Match is which objects are parquet: patterns of [path.Match] for the last
	// element of their keys, such as "*.parquet", in any case of letters. The
	// others are passed on as they are. Defaults to all.
	Match []string
	// Columns are the names of the top-level columns that are wanted, in the
	// order of the object; no other is read. An object without one of them is a
	// defect. Defaults to all.
	Columns []string
	// OmitNulls leaves members out that are null.
	OmitNulls bool
	// BinaryAsString takes bytes of which nothing else is known for strings, as
	// some writers mean them.
	BinaryAsString bool
	// UTF8 defaults to [RejectUTF8].
	UTF8 UTF8

	// TempDir is where objects are put that have to be held in a file: what is
	// put there has no name where the system allows, and is removed when the
	// object is closed otherwise. Defaults to that of the system.
	TempDir string
	// MaxTempBytes is the largest object that is put there. Defaults to 16 GiB.
	MaxTempBytes int64

	// MaxMemoryBytes is how much of an object may be in memory at once. A row
	// group that needs more is a flaw. Defaults to 256 MiB.
	MaxMemoryBytes int64
	// MaxFooterBytes is the longest footer. One that lies may take fifty times as
	// much memory. Defaults to 8 MiB.
	MaxFooterBytes int64
	// MaxRowBytes is how long the JSON of a row may get; a longer one is a flaw.
	// Defaults to 16 MiB.
	MaxRowBytes int
	// MaxRatio is how many times as long as what is stored the JSON of an object
	// may get, beyond its first 64 MiB, and likewise how many values it may have.
	// Defaults to 1000; negative means no limit.
	MaxRatio int64
}

const (
	defaultTemp   = 16 << 30
	defaultMemory = 256 << 20
	defaultFooter = 8 << 20
	defaultRow    = 16 << 20
	defaultRatio  = 1000
	freeBytes     = 64 << 20
	mostFooter    = 1 << 30
)

func (c Config) withDefaults() Config {
	c.Match, c.Columns = slices.Clone(c.Match), slices.Clone(c.Columns)
	c.UTF8 = cmp.Or(c.UTF8, RejectUTF8)
	c.MaxTempBytes = cmp.Or(c.MaxTempBytes, defaultTemp)
	c.MaxMemoryBytes = cmp.Or(c.MaxMemoryBytes, defaultMemory)
	c.MaxFooterBytes = cmp.Or(c.MaxFooterBytes, defaultFooter)
	c.MaxRowBytes = cmp.Or(c.MaxRowBytes, defaultRow)
	c.MaxRatio = cmp.Or(c.MaxRatio, defaultRatio)
	return c
}

func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("parquet: Config."+format, args...)) }
	if err := decoder.Match(c.Match).Check(); err != nil {
		errs = append(errs, fmt.Errorf("parquet: %w", err))
	}
	for i, name := range c.Columns {
		if slices.Contains(c.Columns[:i], name) {
			bad("Columns[%d]: %q is given twice", i, name)
		}
	}
	if c.UTF8 != RejectUTF8 && c.UTF8 != ReplaceUTF8 {
		bad("UTF8: %q is neither %q nor %q", c.UTF8, RejectUTF8, ReplaceUTF8)
	}
	for _, l := range []struct {
		field string
		value int64
	}{{"MaxTempBytes", c.MaxTempBytes}, {"MaxMemoryBytes", c.MaxMemoryBytes}, {"MaxFooterBytes", c.MaxFooterBytes}, {"MaxRowBytes", int64(c.MaxRowBytes)}} {
		if l.value < 0 {
			bad("%s: %d is negative", l.field, l.value)
		}
	}
	if c.MaxFooterBytes > mostFooter {
		bad("MaxFooterBytes: %d is over %d", c.MaxFooterBytes, mostFooter)
	}
	return errors.Join(errs...)
}

// New returns a source of the objects of inner, of which those that cfg.Match
// matches are parquet. It has the optional parts that inner has
// ([source.Remover], [source.Mover], [source.Watcher]), and no others, but that
// it is always a [source.Relister] and a [source.Decoder]. It reports every
// mistake in cfg.
//
// inner stays the caller's, to be closed by it.
func New(inner source.Source, cfg Config) (source.Source, error) {
	stream := Config{Columns: cfg.Columns, OmitNulls: cfg.OmitNulls, BinaryAsString: cfg.BinaryAsString, UTF8: cfg.UTF8, MaxRowBytes: cfg.MaxRowBytes}
	cfg = cfg.withDefaults()
	err := cfg.check()
	if inner == nil {
		err = errors.Join(errors.New("parquet: no source"), err)
	}
	if err != nil {
		return nil, fault.Fatal(err)
	}
	s := &tables{Base: decoder.Base{Source: inner}, cfg: cfg, options: decoder.Options(stream)}
	return decoder.WithParts(s, inner, nil), nil
}

// tables is a source whose objects are parquet.
type tables struct {
	decoder.Base
	cfg     Config
	options string
}

// Open implements [source.Source]. The lines of a parquet object are read from
// their beginning only: any other offset gives [source.ErrNoRange].
func (s *tables) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if !decoder.Match(s.cfg.Match).Key(o.Key) {
		return s.Source.Open(ctx, o, off, n)
	}
	if off != 0 {
		return nil, o, fmt.Errorf("parquet: open %q at offset %d: %w: it is decoded", o.Key, off, source.ErrNoRange)
	}
	at, found, err := s.access(ctx, o)
	if err != nil {
		return nil, found, err
	}
	found.Encoding = decoder.Encoding(found.Encoding, "parquet", s.options)
	r := &rows{ctx: ctx, cfg: &s.cfg, key: found.Key, file: at}
	return decoder.NewReader(ctx, fmt.Sprintf("parquet: read %q", found.Key), r, n), found, nil
}
