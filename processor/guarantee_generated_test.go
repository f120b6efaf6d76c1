package processor_test

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"

	"github.com/unspool-go/unspool/source"
)

// generated is a source of large objects that are made while they are read.
type generated struct {
	sizes map[string]int64
	text  map[string]string // what an object repeats
}

func (g *generated) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(g.sizes)) {
			if !yield(source.Object{Key: key, Version: "1", Size: g.sizes[key]}, nil) {
				return
			}
		}
	}
}

func (g *generated) Open(_ context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if _, ok := g.sizes[o.Key]; !ok {
		return nil, o, fs.ErrNotExist
	}
	if off != 0 || n >= 0 {
		return nil, o, source.ErrNoRange
	}
	text := g.text[o.Key]
	left := g.sizes[o.Key] / int64(len(text)) * int64(len(text))
	return io.NopCloser(io.LimitReader(&repeated{text: text}, left)), o, nil
}

type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}
