package sorted

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"github.com/unspool-go/unspool/source"
)

// Stored implements [source.Decoder].
func (s *ordered) Stored() source.Source {
	if d, ok := s.Source.(source.Decoder); ok {
		return d.Stored()
	}
	return s.Source
}

// List implements [source.Relister]. Where the inner source cannot tell, there
// may always be more.
func (s *ordered) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	if r, ok := s.Source.(source.Relister); ok {
		return r.List(ctx)
	}
	return s.Objects(ctx), func() bool { return true }
}

// Watch implements [source.Watcher].
func (s *ordered) Watch(ctx context.Context) (source.Changes, error) {
	if w, ok := s.Source.(source.Watcher); ok {
		return w.Watch(ctx)
	}
	return source.Poll(s.Source), nil
}

// noPlace is the URL of a source that has none. No destination lies in it.
const noPlace = "source://"

// URL returns that of the inner source.
func (s *ordered) URL() string {
	if l, ok := s.Source.(interface{ URL() string }); ok {
		return l.URL()
	}
	return noPlace
}

// encoding names the order: two configurations that may give an object other
// streams have different names.
func (c *Config) encoding() string {
	h := sha256.New()
	fmt.Fprintf(h, "1 %q %q %t %d %T %q %q %d", c.Format, c.Delimiter, c.Quotes, c.Header, c.Preamble, c.Missing, c.Invalid, c.MaxRecordBytes)
	for _, k := range c.By {
		fmt.Fprintf(h, " %q %d %q %q %t", k.Name, k.Index, k.Type, k.Layout, k.Descending)
	}
	return "sorted-" + hex.EncodeToString(h.Sum(nil)[:8])
}
