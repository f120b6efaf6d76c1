// Package decoder has what those sources have in common that present the objects
// of another source as lines of JSON, one for each row.
package decoder

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"path"
	"reflect"
	"strings"

	"github.com/unspool-go/unspool/source"
)

// Base is the part of a decoding source that is the inner source's. To be
// embedded.
type Base struct{ source.Source }

// Stored implements [source.Decoder]: where the inner source decodes too, what is
// stored is what it decodes.
func (b Base) Stored() source.Source {
	if d, ok := b.Source.(source.Decoder); ok {
		return d.Stored()
	}
	return b.Source
}

// List implements [source.Relister]. Where the inner source cannot tell, there
// may always be more.
func (b Base) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	if r, ok := b.Source.(source.Relister); ok {
		return r.List(ctx)
	}
	return b.Source.Objects(ctx), func() bool { return true }
}

// noPlace is the URL of a source that has none. No destination lies in it.
const noPlace = "source://"

// URL returns that of the inner source.
func (b Base) URL() string {
	if l, ok := b.Source.(interface{ URL() string }); ok {
		return l.URL()
	}
	return noPlace
}

// Encoding returns what an object is encoded with that was encoded with inner,
// or "" for nothing, outside of its format. options is everything that changes
// what the decoded stream looks like: another stream must have another name, so
// that no checkpoint of the one is taken for one of the other.
func Encoding(inner, format, options string) string {
	h := fnv.New32a()
	h.Write([]byte(options)) // never fails
	own := format + "-" + hex.EncodeToString(h.Sum(nil))
	if inner == "" {
		return own
	}
	return inner + "+" + own
}

// Match is which objects are of a format: patterns of [path.Match] for the last
// element of their keys, in any case of letters. None match everything.
type Match []string

// Check reports the patterns that are none.
func (m Match) Check() error {
	var errs []error
	for i, pattern := range m {
		if _, err := path.Match(pattern, ""); err != nil {
			errs = append(errs, fmt.Errorf("Config.Match[%d]: %q: %w", i, pattern, err))
		}
	}
	return errors.Join(errs...)
}

// Key reports whether the object under key is of the format.
func (m Match) Key(key string) bool {
	if len(m) == 0 {
		return true
	}
	name := strings.ToLower(path.Base(key))
	for _, pattern := range m {
		if ok, err := path.Match(strings.ToLower(pattern), name); ok && err == nil {
			return true
		}
	}
	return false
}

// Options returns what tells a configuration, a struct, from any other: its fields
// that are set. So one that is added later changes nothing where it is not used.
func Options(cfg any) string {
	var b strings.Builder
	writeOption(&b, reflect.ValueOf(cfg))
	return b.String()
}

func writeOption(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				b.WriteString(v.Type().Field(i).Name + "=")
				writeOption(b, f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			writeOption(b, v.Index(i))
		}
	default:
		fmt.Fprintf(b, "%q", fmt.Sprint(v))
	}
	b.WriteByte(';')
}
