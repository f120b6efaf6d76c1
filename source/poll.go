package source

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"time"
)

// maxPolled is how many objects Poll remembers: about 20 MiB of hashes.
const maxPolled = 1 << 19

// Poll returns the Changes of any source, found by listing it: each listing
// yields what the one before it did not hold. Where the source is a [Relister]
// it is not listed while it says that there is nothing new. Wait always waits
// to the end.
//
// Memory is bounded: objects are remembered by a hash of 128 bits, and where a
// source holds more than half a million of them, those beyond are yielded by
// every listing.
func Poll(src Source) Changes {
	return &poll{src: src, most: maxPolled, seed: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// poll is the Changes of a source that tells of none.
type poll struct {
	src  Source
	most int
	seed [2]maphash.Seed
	seen map[[16]byte]uint32 // the last listing that held the object
	last uint32              // number of the last listing
	more func() bool         // of the last listing, if that came to its end and can tell
}

func (p *poll) Objects(ctx context.Context, all bool) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if !all && p.more != nil && !p.more() {
			return
		}
		p.more = nil
		complete := false
		defer func() {
			if !complete { // what it yielded may not have been taken
				p.seen = nil
			}
		}()
		if p.seen == nil {
			p.seen = make(map[[16]byte]uint32)
		}
		p.last++
		objects, more := p.list(ctx)
		for o, err := range objects {
			if err != nil {
				yield(Object{}, err)
				return
			}
			if !p.note(o) && !all {
				continue
			}
			if !yield(o, nil) {
				return
			}
		}
		complete = ctx.Err() == nil
		if complete {
			p.forget()
			p.more = more
		}
	}
}

func (p *poll) list(ctx context.Context) (objects iter.Seq2[Object, error], more func() bool) {
	if r, ok := p.src.(Relister); ok {
		return r.List(ctx)
	}
	return p.src.Objects(ctx), nil
}

// note remembers that the listing holds o, and reports whether it is not known
// that the one before it did, too.
func (p *poll) note(o Object) bool {
	var h [16]byte
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(o.Key)))
	for i, seed := range p.seed {
		var m maphash.Hash
		m.SetSeed(seed)
		_, _ = m.Write(size[:])
		_, _ = m.WriteString(o.Key)
		_, _ = m.WriteString(o.Identity())
		binary.LittleEndian.PutUint64(h[8*i:], m.Sum64())
	}
	_, known := p.seen[h]
	if known || len(p.seen) < p.most {
		p.seen[h] = p.last
	}
	return !known
}

// forget forgets what the last listing did not hold.
func (p *poll) forget() {
	for h, last := range p.seen {
		if last != p.last {
			delete(p.seen, h)
		}
	}
}

func (p *poll) Wait(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *poll) Close() error {
	p.seen = nil
	return nil
}
