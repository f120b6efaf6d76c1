// Package source defines where objects come from ([Source]) and how one object
// is cut into records ([Splitter]).
//
// An object is one immutable file, key or URL; a record is one JSON value (or
// one line) inside it. Drivers live in sub-packages: source/dir for a local
// directory. Anyone's driver can prove itself with source/sourcetest.
package source

import (
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"time"
)

// Object names one immutable object of a source. It is a value: copies are
// independent, and nothing in it changes once a source has handed it out.
type Object struct {
	// Key identifies the object inside its source: the path relative to the
	// source's root, with forward slashes, never empty, absolute or containing
	// "." or ".." elements. The same file has the same key through every
	// source that can see it, so that claims agree.
	Key string
	// Version is the source's own mark of this very content, such as an ETag.
	// It is opaque, and empty where the source has nothing better than Size
	// and ModTime.
	Version string
	// Size is the number of stored bytes, or -1 where the listing did not say.
	Size int64
	// ModTime is when the object was last modified, or zero where the listing
	// did not say.
	ModTime time.Time
	// Encoding names how the stored bytes are compressed ("gzip"), in an object
	// that was opened by a source that decodes it: Size, Version and ModTime are
	// those of what is stored, and how long the decoded stream is nobody knows.
	// It is empty where Open gives the stored bytes.
	Encoding string
}

// Identity returns what tells this content from any other under the same key:
// Version, or where that is empty, size and modification time in nanoseconds
// ("4b0-18ac3f…", both in hexadecimal). It is empty if nothing is known.
func (o Object) Identity() string {
	if o.Version != "" {
		return o.Version
	}
	if o.Size < 0 || o.ModTime.IsZero() {
		return ""
	}
	var buf [40]byte
	b := strconv.AppendInt(buf[:0], o.Size, 16)
	b = append(b, '-')
	b = strconv.AppendInt(b, o.ModTime.UnixNano(), 16)
	return string(b)
}

// SameAs reports whether o and p can be the same content: keys are equal and
// no mark that both know differs.
func (o Object) SameAs(p Object) bool {
	switch {
	case o.Key != p.Key:
		return false
	case o.Version != "" && p.Version != "" && o.Version != p.Version:
		return false
	case o.Size >= 0 && p.Size >= 0 && o.Size != p.Size:
		return false
	case !o.ModTime.IsZero() && !p.ModTime.IsZero() && !o.ModTime.Equal(p.ModTime):
		return false
	}
	return true
}

var (
	// ErrChanged is wrapped by errors of Open, ReadObject and the readers they
	// return when the stored object is not the one that was listed, or changed
	// while it was read.
	ErrChanged = errors.New("object changed since it was listed")

	// ErrNoRange is wrapped by an error of Open when the source cannot start
	// at the offset asked for. The caller opens at 0 and discards.
	ErrNoRange = errors.New("source cannot read from an offset")

	// ErrTooLarge is returned by ReadObject for an object of more than max
	// bytes, and for one that cannot be decoded to its end. The caller reads it
	// through Open, which gives what there is of it.
	ErrTooLarge = errors.New("object is larger than the buffer offered")
)

// Source lists objects and opens them. It is used by many goroutines at once:
// Open (and ReadObject) must be safe for concurrent use; Objects is ranged
// over by one goroutine at a time.
//
// Errors. An object that is gone gives an error wrapping [io/fs.ErrNotExist];
// one that is not the listed one wraps [ErrChanged]; a transport that failed
// is marked fault.Interrupted; a source that can never work (bad credentials)
// is marked fault.Fatal; every other error is taken as the fault of that one
// object. Errors name the operation and the object, and hold no payload.
type Source interface {
	// Objects lists what is there now, lazily: memory does not grow with the
	// number of objects. The order is the source's own unless the driver was
	// asked for another. An error is yielded last, with the zero Object. A
	// break, or the end of ctx, releases everything. Each call lists anew.
	Objects(ctx context.Context) iter.Seq2[Object, error]

	// Open reads the n bytes of o from off on, or for n < 0 all to the end: the
	// stored bytes, or what comes of them in a source that decodes (see
	// [Decoder]). It returns the object as it was found when it was opened, with
	// Size, ModTime and Version filled in as far as the source knows them. If
	// that is not o (see [Object.SameAs]) it fails with [ErrChanged].
	//
	// ctx governs the whole read, not just the opening. The reader returns
	// io.EOF only when every byte asked for was read: a body cut short is an
	// error, and so is a change noticed on the way. An error marked fault.Corrupt
	// says that all stored bytes are there and cannot be decoded from this place
	// on. The caller closes it.
	Open(ctx context.Context, o Object, off, n int64) (io.ReadCloser, Object, error)
}

// SmallReader is an optional fast path of a [Source] for objects that fit into
// a buffer of the caller's.
type SmallReader interface {
	// ReadObject appends the whole object to dst and returns the extended
	// slice, with the object as it was found, under the rules of Open. It
	// returns [ErrTooLarge], and dst with undefined content beyond its length,
	// for an object of more than max bytes. It allocates only if dst has less
	// room than the object needs plus one byte. It must not keep dst.
	ReadObject(ctx context.Context, o Object, dst []byte, max int) ([]byte, Object, error)
}

// Decoder is an optional part of a [Source] that decodes what is stored.
type Decoder interface {
	// Stored returns the source of the very same objects as they are stored, for
	// who copies them.
	Stored() Source
}

// Relister is an optional saving of a [Source] that can tell cheaply whether
// listing it again would find anything new. A source that embeds another one and
// lists otherwise has to override List, and Watch (see [Watcher]), as well as
// Objects: whoever finds them does not call Objects.
type Relister interface {
	// List is Objects, and a question to be asked when that has ended: more
	// reports whether a listing begun now may yield an object that this one did
	// not. It may say so without reason; it never fails to say so, short of a
	// file system that itself does not see yet what was added. It is asked by
	// the goroutine that ranged over objects.
	List(ctx context.Context) (objects iter.Seq2[Object, error], more func() bool)
}

// Record is one record of an object.
type Record struct {
	// Data is the record's bytes as they stand in the object, without the
	// white space around them. It is read-only, and valid until the call it
	// was passed to returns: copy it to keep it.
	Data []byte
	// Object is the object it comes from. Read-only; may be kept.
	Object *Object
	// Offset is the position of Data[0] in the object's decoded stream, in
	// bytes. Object.Key, Object.Identity and Offset together name the record:
	// they are the same in every pass over the object.
	Offset int64
	// Valid says that Data is already known to be one valid JSON value in
	// valid UTF-8 within the nesting limit, so that a transform need not check
	// again.
	Valid bool
}
