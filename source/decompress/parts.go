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

// withParts adds the optional parts that the inner source has. Who uses a source
// asks for them by type, so that each combination is a type of its own.
func withParts(s *decoded) source.Source {
	_, reads := s.Source.(source.SmallReader)
	watcher, watches := s.Source.(source.Watcher)
	remover, removes := s.Source.(source.Remover)
	mover, moves := s.Source.(source.Mover)
	small := small{s}
	switch {
	case moves && watches && reads:
		return struct {
			*decoded
			source.SmallReader
			source.Mover
			source.Watcher
		}{s, small, mover, watcher}
	case moves && watches:
		return struct {
			*decoded
			source.Mover
			source.Watcher
		}{s, mover, watcher}
	case moves && reads:
		return struct {
			*decoded
			source.SmallReader
			source.Mover
		}{s, small, mover}
	case moves:
		return struct {
			*decoded
			source.Mover
		}{s, mover}
	case removes && watches && reads:
		return struct {
			*decoded
			source.SmallReader
			source.Remover
			source.Watcher
		}{s, small, remover, watcher}
	case removes && watches:
		return struct {
			*decoded
			source.Remover
			source.Watcher
		}{s, remover, watcher}
	case removes && reads:
		return struct {
			*decoded
			source.SmallReader
			source.Remover
		}{s, small, remover}
	case removes:
		return struct {
			*decoded
			source.Remover
		}{s, remover}
	case watches && reads:
		return struct {
			*decoded
			source.SmallReader
			source.Watcher
		}{s, small, watcher}
	case watches:
		return struct {
			*decoded
			source.Watcher
		}{s, watcher}
	case reads:
		return struct {
			*decoded
			source.SmallReader
		}{s, small}
	}
	return s
}
