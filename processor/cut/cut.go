// Package cut cuts large objects at the boundaries of records into parts of a
// size: files in storage ([Config].To), or messages ([Config].Sink).
//
//	c, err := cut.New(cut.Config{Source: files, To: "s3://bucket/parts", CorruptionURL: "corrupt", PartBytes: 64 << 20})
//	…
//	report, err := c.Run(ctx)
//
// # What is written
//
// The parts of an object are in a folder of their own, called by its key and a hash
// of its version and of everything in the Config that decides where it is cut:
//
//	day.json.gz~0123456789abcdef/part000001-000000000000.ndjson
//	day.json.gz~0123456789abcdef/part000002-000067108863.ndjson
//	day.json.gz~0123456789abcdef/_SUCCESS
//
// The second number is the offset of the first record in the decoded stream of the
// object. _SUCCESS is a [Manifest], and comes last: source/quorum gives out what is
// complete. A record is a line: line breaks between the tokens of a JSON value become
// spaces. Only records are kept; what stands between them is counted.
//
// Who cuts the same object again, or goes on after being killed, comes to the same
// names and contents. What is there is compared, never replaced, and nothing is
// written twice. An object that has its manifest is only opened.
//
// Records that are corrupt, and what cannot be read of a damaged object, are in one
// file of that folder's name in CorruptionURL, in the envelopes that the processor
// writes too. That, too, is there before the manifest.
//
// Messages have the same id in each pass, made of the object, its version and the
// offset. Where cutting ended before its manifest was written they are sent again.
//
// # Memory
//
// Of each object that is worked on, one record and its surroundings are held (see
// [source.Split].MaxRecordBytes), with messages one batch of them as well.
package cut

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// Config says what is cut, where and into what.
type Config struct {
	// Source has the objects, decoded if need be. Required.
	Source source.Source `yaml:"-"`
	// Split says what a record is. Not by FormatWhole.
	Split source.Split `yaml:"split"`
	// To is the folder for parts and manifests: a path, file:// or a scheme that is
	// registered with afs, such as s3://. Required.
	To string `yaml:"to"`
	// Sink takes the parts as messages in place of To, which then holds the
	// manifests.
	Sink sink.Sink `yaml:"-"`
	// CorruptionURL is the folder for what is invalid. Required.
	CorruptionURL string `yaml:"corruptionURL"`
	// PartBytes is the size that a part has at most, header included and before
	// compression, unless a single record is larger. Defaults to 64 MiB, and with a
	// Sink to the largest message it takes; never more than that.
	PartBytes int64 `yaml:"partBytes"`
	// PartRecords is how many records a part has at most. Defaults to no limit.
	PartRecords int64 `yaml:"partRecords"`
	// Header is how many lines at the start of an object are repeated at the start of
	// each part. Only with FormatLines.
	Header int `yaml:"header"`
	// Ext is what the names of files end in: letters and digits with dots before them.
	// If it ends in .gz or .zst they are compressed so. Defaults to ".ndjson".
	Ext string `yaml:"ext"`
	// Concurrency is how many objects are worked on at once. Defaults to GOMAXPROCS.
	Concurrency int `yaml:"concurrency"`
}

const (
	defaultPartBytes = 64 << 20
	maxHeader        = 100
)

func (c Config) withDefaults() Config {
	if c.Ext == "" {
		c.Ext = ".ndjson"
	}
	if c.Concurrency == 0 {
		c.Concurrency = runtime.GOMAXPROCS(0)
	}
	c.Split = c.Split.WithDefaults()
	return c
}

var extension = regexp.MustCompile(`^(\.[A-Za-z0-9]{1,16}){1,4}$`)

func (c Config) check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("cut: Config.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Source == nil {
		bad("Source", "required")
	}
	if _, err := source.NewSplitter(c.Split); err != nil {
		bad("Split", "%v", err)
	} else if c.Split.Format == source.FormatWhole {
		bad("Split.Format", "%q leaves nothing to be cut", c.Split.Format)
	}
	for _, d := range []struct{ field, url string }{{"To", c.To}, {"CorruptionURL", c.CorruptionURL}} {
		if _, err := destination.Open(destination.Config{URL: d.url}); err != nil {
			bad(d.field, "%v", err)
		} else if strings.Contains(d.url, "$") {
			bad(d.field, "macros are not expanded: names must be the same in each pass")
		} else if l, ok := c.Source.(interface{ URL() string }); ok && destination.Inside(d.url, l.URL()) {
			bad(d.field, "lies in the source %s: what is put there would be cut", l.URL())
		}
	}
	if c.PartBytes < 0 {
		bad("PartBytes", "%d is negative", c.PartBytes)
	}
	if c.PartRecords < 0 {
		bad("PartRecords", "%d is negative", c.PartRecords)
	}
	switch {
	case c.Header < 0 || c.Header > maxHeader:
		bad("Header", "%d is not between 0 and %d", c.Header, maxHeader)
	case c.Header > 0 && c.Split.Format != source.FormatLines:
		bad("Header", "only with format %q", source.FormatLines)
	}
	if !extension.MatchString(c.Ext) {
		bad("Ext", "%q is no extension", c.Ext)
	}
	if c.Concurrency < 0 {
		bad("Concurrency", "%d is negative", c.Concurrency)
	}
	return errors.Join(errs...)
}

// Cutter cuts objects. It holds nothing open between calls and is safe for
// concurrent use.
type Cutter struct {
	cfg     Config
	to      *destination.Store
	corrupt *destination.Store
}

// New returns a cutter, or every mistake in cfg. It touches nothing.
func New(cfg Config) (*Cutter, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fault.Fatal(err)
	}
	c := &Cutter{cfg: cfg}
	var err, cerr error
	c.to, err = destination.Open(destination.Config{URL: cfg.To})
	c.corrupt, cerr = destination.Open(destination.Config{URL: cfg.CorruptionURL})
	if err := errors.Join(err, cerr); err != nil {
		return nil, fault.Fatal(fmt.Errorf("cut: %w", err))
	}
	return c, nil
}

const hashLen = 16

// folder names the parts of one version of an object, cut in one way.
func (c *Cutter) folder(o source.Object, partBytes int64) string {
	h := sha256.New()
	fmt.Fprintf(h, "1 %q %q %q %d %d %d %q %t", o.Key, o.Identity(), o.Encoding, partBytes, c.cfg.PartRecords, c.cfg.Header, c.cfg.Ext, c.cfg.Sink != nil)
	s := c.cfg.Split
	fmt.Fprintf(h, " %q %q %T %t %d %d %d", s.Format, s.Records, s.Preamble, s.Raw, s.MaxRecordBytes, s.MaxPreambleBytes, s.MaxDepth)
	return destination.FileName(o.Key, hashLen+1) + "~" + hex.EncodeToString(h.Sum(nil)[:hashLen/2])
}
