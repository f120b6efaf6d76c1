// Package sorted shows each object of another [source.Source] with its lines in
// the order of keys in them: text, exact numbers or times, upwards or downwards.
// Lines with equal keys stay in the order of the object.
//
//	s, err := sorted.New(files, sorted.Config{By: []sorted.Key{
//		{Name: "user.id", Type: sorted.Number},
//		{Name: "created_at", Type: sorted.Time, Descending: true},
//	}})
//
// Wrap what decodes, not the other way round: sorted.New(decompress.New(files)).
//
// # What the stream holds
//
// Every line of the object is there once, as it stands, and ends in a newline: the
// last one of an object may get one. In front stay a byte order mark, the preamble
// and the header lines. Lines without a key, blank ones among them, and those whose
// key is invalid have their places, whatever the direction of the keys. Lines longer
// than MaxRecordBytes come last, in the order of the object.
//
// The stream is the same in each pass, so that offsets in it and checkpoints hold.
// What is opened names the order in its Encoding: work that was begun in another
// order, or in none, is begun again and not resumed.
//
// # What is in the way
//
// An object is read to its end before the first byte is given out. If reading is
// cut off nothing is, but the error. Where an object is damaged (fault.Corrupt, as
// a truncated archive is), what could be read of it comes in order, then what there
// is of the line that the damage cut, then the error: never io.EOF.
//
// # Memory and disk
//
// All objects that are open at once share MemoryBytes. What does not fit is sorted
// by portions that are written to a temporary file and merged. The file has no name
// where the system allows that, so that nothing stays behind after a crash. If it
// cannot be written the error is marked fault.Interrupted: nothing is lost.
package sorted

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Format is what lines are made of.
type Format string

const (
	// JSON is a JSON object in each line.
	JSON Format = "json"
	// Delimited is columns with a delimiter between them.
	Delimited Format = "delimited"
)

// Place is where lines stand that have no place by their keys.
type Place string

const (
	// First is in front of all others.
	First Place = "first"
	// Last is behind all others.
	Last Place = "last"
)

// Config says how lines are ordered.
type Config struct {
	// By is what decides the order: the first key, among lines that are equal in it
	// the second, and so on. Required.
	By []Key `yaml:"by"`
	// Format defaults to [JSON].
	Format Format `yaml:"format"`
	// Delimiter stands between columns. Defaults to a comma.
	Delimiter string `yaml:"delimiter"`
	// Quotes says that a column may stand in double quotes, and then hold delimiters,
	// newlines and, doubled, double quotes (RFC 4180): a line so reaches to the first
	// newline outside of quotes.
	Quotes bool `yaml:"quotes"`
	// Header is how many lines at the start of an object stay there.
	Header int `yaml:"header"`
	// Preamble, when not nil, tells what stands before the first line, and stays
	// there. An object whose preamble is longer than 64 KiB is left as it is.
	Preamble source.Preamble `yaml:"-"`
	// Missing is where lines stand that do not have a key: no such member or column,
	// null, or an empty column where a number or time is wanted. Defaults to [Last].
	Missing Place `yaml:"missing"`
	// Invalid is where lines stand whose key is not of its type. With both at the
	// same end, those with an invalid key are nearer to the others. Defaults to [Last].
	Invalid Place `yaml:"invalid"`
	// MaxRecordBytes is the longest line that is put in order, its newline included.
	// At most a quarter of MemoryBytes. Defaults to 16 MiB, or that quarter.
	MaxRecordBytes int `yaml:"maxRecordBytes"`
	// MemoryBytes is about how much memory all open objects may take together; each
	// takes up to 3 MiB in any case. At least 4 MiB. Defaults to 64 MiB.
	MemoryBytes int64 `yaml:"memoryBytes"`
	// TempDir is the folder of temporary files. What needs more than MemoryBytes
	// takes there a third to a half of its length, as JSON and CSV go, and for a
	// moment twice that if it is over some sixty times MemoryBytes. Defaults to
	// [os.TempDir].
	TempDir string `yaml:"tempDir"`
}

const (
	defaultMemory = 64 << 20
	leastMemory   = 4 << 20
	defaultRecord = 16 << 20
	maxHeader     = 1000
)

func (c Config) withDefaults() Config {
	if c.Format == "" {
		c.Format = JSON
	}
	if c.Format == Delimited && c.Delimiter == "" {
		c.Delimiter = ","
	}
	if c.Missing == "" {
		c.Missing = Last
	}
	if c.Invalid == "" {
		c.Invalid = Last
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = defaultMemory
	}
	if c.MaxRecordBytes == 0 {
		c.MaxRecordBytes = int(min(defaultRecord, c.MemoryBytes/4))
	}
	keys := make([]Key, len(c.By))
	for i, k := range c.By {
		keys[i] = k.withDefaults()
	}
	c.By = keys
	return c
}

func (c Config) check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("sorted: Config.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Format != JSON && c.Format != Delimited {
		bad("Format", "%q is neither %q nor %q", c.Format, JSON, Delimited)
	}
	if len(c.By) == 0 {
		bad("By", "required")
	}
	for i, k := range c.By {
		for _, err := range k.check(c.Format) {
			bad(fmt.Sprintf("By[%d]", i), "%v", err)
		}
	}
	if c.Format == JSON && (c.Delimiter != "" || c.Quotes) {
		bad("Delimiter", "has no meaning with format %q, nor have quotes", JSON)
	}
	if err := checkDelimiter(c.Delimiter); err != nil {
		bad("Delimiter", "%v", err)
	}
	if c.Header < 0 || c.Header > maxHeader {
		bad("Header", "%d is not between 0 and %d", c.Header, maxHeader)
	}
	for _, p := range []struct {
		field string
		place Place
	}{{"Missing", c.Missing}, {"Invalid", c.Invalid}} {
		if p.place != First && p.place != Last {
			bad(p.field, "%q is neither %q nor %q", p.place, First, Last)
		}
	}
	if c.MemoryBytes < leastMemory {
		bad("MemoryBytes", "%d is below %d", c.MemoryBytes, leastMemory)
	} else if c.MaxRecordBytes < 1 || int64(c.MaxRecordBytes) > c.MemoryBytes/4 {
		bad("MaxRecordBytes", "%d is not between 1 and a quarter of MemoryBytes, %d", c.MaxRecordBytes, c.MemoryBytes/4)
	}
	return errors.Join(errs...)
}

// New returns a source of the objects of inner, each in order. It has the parts of
// inner that remove and move objects, and is always a [source.Relister],
// [source.Watcher] and [source.Decoder]. It reports every mistake in cfg.
//
// inner stays the caller's, to be closed by it.
func New(inner source.Source, cfg Config) (source.Source, error) {
	cfg = cfg.withDefaults()
	err := cfg.check()
	if inner == nil {
		err = errors.Join(errors.New("sorted: no source"), err)
	}
	if err != nil {
		return nil, fault.Fatal(err)
	}
	s := &ordered{Source: inner, cfg: cfg, name: cfg.encoding(), memory: memory{limit: cfg.MemoryBytes}, sizes: defaultSizes}
	switch remover := inner.(type) {
	case source.Mover:
		return struct {
			*ordered
			source.Mover
		}{s, remover}, nil
	case source.Remover:
		return struct {
			*ordered
			source.Remover
		}{s, remover}, nil
	}
	return s, nil
}

// ordered is a source whose objects are in order.
type ordered struct {
	source.Source
	cfg    Config
	name   string // of the order, for Object.Encoding
	memory memory
	sizes  sizes
}

var (
	_ source.Source   = (*ordered)(nil)
	_ source.Relister = (*ordered)(nil)
	_ source.Watcher  = (*ordered)(nil)
	_ source.Decoder  = (*ordered)(nil)
)

// Open implements [source.Source]. An object is read from its beginning only: any
// other offset gives [source.ErrNoRange].
func (s *ordered) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if off != 0 {
		return nil, o, fmt.Errorf("sorted: open %q at offset %d: %w: it is sorted", o.Key, off, source.ErrNoRange)
	}
	body, found, err := s.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return nil, found, err
	}
	if found.Encoding != "" {
		found.Encoding += "+"
	}
	found.Encoding += s.name
	return &reader{ctx: ctx, source: s, key: found.Key, body: body, left: n}, found, nil
}
