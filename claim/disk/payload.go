package disk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/claim/internal/lease"
)

// The payload of a log entry is a kind and what belongs to it:
//
//	open     epoch                      a process took the store: all leases before are void
//	claim    grant, at, expires, owner, {key, attempt}
//	extend   expires, {key, changed, progress if changed}
//	complete at in ms, {key, grant as a difference to the one before}
//	release  {key, attempt, delay's end, progress, reason}
//	forget   {key}
//	keep     {key, entry}               an entry from an earlier log
//	close                               the store was closed in order
//
// Numbers are varints, texts have their length before them, {…} is repeated up
// to the end. Times are Unix times in ns where nothing else is said.
const (
	kindOpen = iota + 1
	kindClaim
	kindExtend
	kindComplete
	kindRelease
	kindForget
	kindKeep
	kindClose
)

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendEntry(b []byte, key string, e lease.Entry) []byte {
	b = appendText(b, key)
	held := byte(0)
	if e.Held {
		held = 1
	}
	b = append(b, held)
	b = binary.AppendUvarint(b, e.Grant.ID)
	b = binary.AppendVarint(b, e.Grant.At)
	b = appendText(b, e.Grant.Owner)
	b = binary.AppendVarint(b, e.Expires)
	b = binary.AppendUvarint(b, uint64(e.Attempt))
	b = appendText(b, e.Progress())
	return appendText(b, e.Reason())
}

var errMalformed = errors.New("malformed payload")

// payload decodes. After an error its methods return zero values.
type payload struct {
	rest string
	err  error
}

func (p *payload) more() bool { return p.err == nil && len(p.rest) > 0 }

func (p *payload) byte() byte {
	if len(p.rest) == 0 {
		p.err = errMalformed
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *payload) uvarint() uint64 {
	var x uint64
	for shift := uint(0); shift < 64 && p.err == nil; shift += 7 {
		c := p.byte()
		x |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return x
		}
	}
	p.err = errMalformed
	return 0
}

func (p *payload) varint() int64 {
	u := p.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (p *payload) text() string {
	n := p.uvarint()
	if p.err != nil || n > uint64(len(p.rest)) {
		p.err = errMalformed
		return ""
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

// replayer brings contents to the state after the entries it is given.
type replayer struct {
	*contents
	// fresh says that the finished keys of this log are not in a segment yet.
	fresh bool
	epoch uint64
}

func (r *replayer) apply(text string) error {
	p := payload{rest: text}
	switch kind := p.byte(); kind {
	case kindOpen:
		r.epoch = max(r.epoch, p.uvarint())
		r.table.Void()
	case kindClaim:
		g := &lease.Grant{ID: p.uvarint(), At: p.varint()}
		g.Token = lease.TokenOf(g.ID)
		expires := p.varint()
		g.Owner = p.text()
		for p.more() {
			key := p.text()
			e, _ := r.table.Entry(key)
			e.Grant, e.Held, e.Expires, e.Attempt = g, true, expires, int32(p.uvarint())
			r.put(&p, key, e)
		}
	case kindExtend:
		expires := p.varint()
		for p.more() {
			key := p.text()
			e, ok := r.table.Entry(key)
			if p.byte() != 0 {
				e.SetNote(p.text(), e.Reason())
			}
			e.Expires = expires
			if ok {
				r.put(&p, key, e)
			}
		}
	case kindComplete:
		f := finish{at: p.varint()}
		for p.more() {
			key := p.text()
			f.grant += uint64(p.varint())
			if p.err == nil {
				r.table.Delete(key)
				r.finish(key, f)
			}
		}
	case kindRelease:
		for p.more() {
			key := p.text()
			e, ok := r.table.Entry(key)
			e.Held = false
			e.Attempt = int32(p.uvarint())
			e.Expires = p.varint()
			e.SetNote(p.text(), p.text())
			if ok {
				r.put(&p, key, e)
			}
		}
	case kindForget:
		for p.more() {
			if key := p.text(); p.err == nil {
				r.finish(key, finish{})
			}
		}
	case kindKeep:
		for p.more() {
			key := p.text()
			e := lease.Entry{Held: p.byte() != 0}
			e.Grant = &lease.Grant{ID: p.uvarint(), At: p.varint(), Owner: p.text()}
			e.Grant.Token = lease.TokenOf(e.Grant.ID)
			e.Expires = p.varint()
			e.Attempt = int32(p.uvarint())
			e.SetNote(p.text(), p.text())
			r.put(&p, key, e)
		}
	case kindClose:
	default:
		return fmt.Errorf("unknown kind %d", kind)
	}
	return p.err
}

// put stores an entry that was read without an error.
func (r *replayer) put(p *payload, key string, e lease.Entry) {
	if p.err == nil {
		r.table.Put(key, e)
	}
}

func (r *replayer) finish(key string, f finish) {
	if r.fresh {
		r.recent.set(key, f)
	}
}
