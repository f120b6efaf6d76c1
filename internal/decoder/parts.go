package decoder

import "github.com/unspool-go/unspool/source"

// Source is a decoding source without optional parts.
type Source interface {
	source.Source
	source.Decoder
	source.Relister
	URL() string
}

// WithParts returns s with the optional parts that inner has
// ([source.Remover], [source.Mover], [source.Watcher]), and with small where that
// is not nil. Who uses a source asks for them by type, so that each combination
// is a type of its own.
func WithParts(s Source, inner source.Source, small source.SmallReader) source.Source {
	watcher, watches := inner.(source.Watcher)
	remover, removes := inner.(source.Remover)
	mover, moves := inner.(source.Mover)
	reads := small != nil
	switch {
	case moves && watches && reads:
		return struct {
			Source
			source.SmallReader
			source.Mover
			source.Watcher
		}{s, small, mover, watcher}
	case moves && watches:
		return struct {
			Source
			source.Mover
			source.Watcher
		}{s, mover, watcher}
	case moves && reads:
		return struct {
			Source
			source.SmallReader
			source.Mover
		}{s, small, mover}
	case moves:
		return struct {
			Source
			source.Mover
		}{s, mover}
	case removes && watches && reads:
		return struct {
			Source
			source.SmallReader
			source.Remover
			source.Watcher
		}{s, small, remover, watcher}
	case removes && watches:
		return struct {
			Source
			source.Remover
			source.Watcher
		}{s, remover, watcher}
	case removes && reads:
		return struct {
			Source
			source.SmallReader
			source.Remover
		}{s, small, remover}
	case removes:
		return struct {
			Source
			source.Remover
		}{s, remover}
	case watches && reads:
		return struct {
			Source
			source.SmallReader
			source.Watcher
		}{s, small, watcher}
	case watches:
		return struct {
			Source
			source.Watcher
		}{s, watcher}
	case reads:
		return struct {
			Source
			source.SmallReader
		}{s, small}
	}
	return s
}
