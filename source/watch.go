package source

import (
	"context"
	"iter"
	"time"
)

// Watcher is an optional part of a [Source] that learns what appears in it
// without listing all of it again and again.
type Watcher interface {
	// Watch begins to observe the source. Its errors are those of Objects.
	Watch(ctx context.Context) (Changes, error)
}

// Changes tells what appears in a source. It is used by one goroutine at a
// time, and closed by who asked for it.
type Changes interface {
	// Objects lists, under the rules of [Source.Objects], at least every object
	// that appeared since the last listing of these Changes began that came to
	// its end; the first lists everything, and so does one with all set. A
	// listing that failed or was broken off loses nothing: the next one yields
	// again what it would have yielded. An object may be listed more often than
	// that, and one that nobody finished is not listed again by itself: who
	// gives it back asks for all.
	Objects(ctx context.Context, all bool) iter.Seq2[Object, error]

	// Wait returns when Objects is likely to list something, after most, or when
	// ctx ends, whichever is first.
	Wait(ctx context.Context, most time.Duration)

	// Close ends the observation and releases what it holds.
	Close() error
}

// Dater is an optional part of a [Source] that knows since when an object has
// been waiting better than its ModTime tells, as from a time in its name.
type Dater interface {
	// Date returns the time of an object that the source has listed, and false
	// where it has none.
	Date(o Object) (time.Time, bool)
}

// DateOf returns the time of an object of src: what src says if it, or the
// source that it decodes, is a [Dater], or else o.ModTime. It is zero where
// neither is known.
func DateOf(src Source, o Object) time.Time {
	if d, ok := src.(Decoder); ok {
		src = d.Stored()
	}
	if d, ok := src.(Dater); ok {
		if at, ok := d.Date(o); ok {
			return at
		}
	}
	return o.ModTime
}
