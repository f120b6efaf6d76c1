package sorted

import "github.com/unspool-go/unspool/source"

// Squeeze has a source that New returned hold next to nothing, so that a few lines
// are spilled and merged in several passes.
func Squeeze(src source.Source, chunk, entries, fanIn int) {
	s := orderedOf(src)
	s.sizes = sizes{chunk, entries, fanIn}
	s.memory.limit = 0
}

// Taken is the memory that open objects of a source have taken.
func Taken(src source.Source) int64 { return orderedOf(src).memory.taken.Load() }

func orderedOf(src source.Source) *ordered {
	return src.(interface{ self() *ordered }).self()
}

func (s *ordered) self() *ordered { return s }

// AppendNumber is appendNumber.
func AppendNumber(dst, text []byte) ([]byte, bool) { return appendNumber(dst, text) }

// AppendText is appendText.
func AppendText(dst, text []byte) []byte { return appendText(dst, text) }

// AppendKey appends the key of a line.
func AppendKey(cfg Config, line []byte) []byte {
	cfg = cfg.withDefaults()
	return newKeyer(&cfg).append(nil, line)
}
