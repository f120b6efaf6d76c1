package decompress

import (
	"context"
	"iter"

	"github.com/unspool-go/unspool/source"
)

// List implements [source.Relister]. Where the inner source cannot tell, there
// may always be more.
func (s *decoded) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	if r, ok := s.Source.(source.Relister); ok {
		return r.List(ctx)
	}
	return s.Objects(ctx), func() bool { return true }
}

// noPlace is the URL of a source that has none. No destination lies in it.
const noPlace = "source://"

// URL returns that of the inner source.
func (s *decoded) URL() string {
	if l, ok := s.Source.(interface{ URL() string }); ok {
		return l.URL()
	}
	return noPlace
}
