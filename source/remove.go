package source

import (
	"context"
	"time"
)

// Remover is an optional part of a [Source] whose objects can be removed when
// they are done. All methods are safe for concurrent use.
type Remover interface {
	// Stat returns the object under key as it is now, with every mark that the
	// source knows, and since when that very content has been there under that
	// key. since may be later than it was, never earlier, and is zero where the
	// source cannot tell. One that is gone gives an error wrapping
	// [io/fs.ErrNotExist].
	Stat(ctx context.Context, key string) (o Object, since time.Time, err error)

	// Remove removes objects, each only if it is still the one given (see
	// [Object.SameAs]), and durably: none comes back after a loss of power. The
	// error at i is that of objects[i]: nil if it was removed, one wrapping
	// [ErrChanged] or [io/fs.ErrNotExist] if it is another or gone. After any
	// other error it is unknown whether it was.
	Remove(ctx context.Context, objects []Object) []error
}

// Seen is an object as [Remover.Stat] tells of it.
type Seen struct {
	Object
	Since time.Time
	Err   error
}

// BlockRemover is a [Remover] that does for many objects at once, and for less,
// what Stat and Remove do.
type BlockRemover interface {
	Remover

	// StatBlock is Stat of each key: what it returns at i is that of keys[i].
	StatBlock(ctx context.Context, keys []string) []Seen

	// RemoveBlock is Remove of objects that StatBlock found. One that is not there
	// since the same time any more is another, too.
	RemoveBlock(ctx context.Context, seen []Seen) []error
}

// Mover is a [Remover] that can move objects without copying them.
type Mover interface {
	Remover

	// Move moves objects, under their keys, to the folder that the URL to names,
	// under the rules of Remove, and makes that durable. What is in the way there
	// is left alone: the error then wraps [io/fs.ErrExist]. An object that cannot
	// be moved without copying it, as to another file system, is left where it
	// is, and the error wraps [errors.ErrUnsupported].
	Move(ctx context.Context, objects []Object, to string) []error
}
