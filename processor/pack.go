package processor

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// batch is what one Send call will carry: messages packed one behind the other
// in one buffer. Batches are recycled; their number is fixed, which bounds the
// memory of packed output.
type batch struct {
	buf  []byte
	msgs []message
	recs []entry
}

// message is a stretch of a batch's buffer and the records in it.
type message struct {
	from, to    int // in batch.buf
	first, last int // in batch.recs
	id, group   string
	attrs       []sink.Attribute
	tries       int
	since       int64 // messages the sink had accepted when it first failed, plus one
}

// entry is one output value in a message.
type entry struct {
	frame    *frame
	origin   *source.Object // whose record it is: not the frame's, in a retry part
	multi    *multi         // of a record with several outputs
	from, to int32          // of the value in batch.buf
	output   int32          // index of the output among those of its record
	attempt  int32          // attempts behind the record
	offset   int64          // of the record, in its own object
	at       int64          // of the record, in the object being read
	number   int64          // of the record, among those of its frame
}

// multi joins the fates of a record's outputs into the record's one fate: the
// last of the fates listed in ledger.go that any of them met.
type multi struct {
	left  int
	worst fate
	gap   gap // of the record
}

func (b *batch) reset() { b.buf, b.msgs, b.recs = b.buf[:0], b.msgs[:0], b.recs[:0] }

// entryEvery is how many bytes of output a value is expected to have.
const entryEvery = 512

// packing is how a run packs: the configuration under the limits of the sink.
type packing struct {
	mode      PackMode
	perObject bool
	target    int // bytes of a message to aim for
	message   int // most bytes of a message
	batch     int // most bytes of a batch
	count     int // most messages of a batch
	xml       bool
	fifo      bool
	group     string
}

// newPacking applies the limits of the sink.
func newPacking(cfg Pack, lim sink.Limits) packing {
	p := packing{
		mode: cfg.Mode, perObject: cfg.PerObject, group: cfg.Group,
		message: lim.MessageBytes, batch: lim.BatchBytes, count: lim.BatchMessages,
		xml: lim.XMLChars, fifo: lim.FIFO,
	}
	if p.batch == 0 {
		p.batch = max(defaultBatch, p.message)
	}
	if p.message == 0 || p.message > p.batch {
		p.message = p.batch
	}
	p.target = p.message
	if cfg.TargetBytes > 0 {
		p.target = min(cfg.TargetBytes, p.message)
	}
	return p
}

// overhead is what a message costs beside its first value.
func (p *packing) overhead() int {
	switch p.mode {
	case PackArray:
		return 2
	case PackLines:
		return 1
	case PackSingle:
	}
	return 0
}

// packer fills a worker's open batch. It belongs to one worker.
type packer struct {
	packing
	run  *run
	b    *batch
	open bool    // the last message takes more values
	cur  message // the open message
}

// add appends one output value. The value fits: see fits.
func (p *packer) add(value []byte, e entry) {
	grow := len(value) + 1
	if p.mode == PackSingle {
		grow = len(value)
	}
	if p.open && (p.mode == PackSingle || p.size()+grow > p.target) {
		p.closeMessage()
	}
	if !p.open {
		need := len(value) + p.overhead()
		if p.b != nil && len(p.b.msgs) > 0 && len(p.b.buf)+max(need, p.room()) > p.packing.batch {
			p.submit()
		}
		if p.b == nil {
			p.b = p.run.takeBatch()
		}
		p.open = true
		p.cur = message{from: len(p.b.buf), first: len(p.b.recs)}
		if p.mode == PackArray {
			p.b.buf = append(p.b.buf, '[')
		}
	} else if p.mode == PackArray {
		p.b.buf = append(p.b.buf, ',')
	}
	e.from = int32(len(p.b.buf))
	p.b.buf = append(p.b.buf, value...)
	e.to = int32(len(p.b.buf))
	p.b.recs = append(p.b.recs, e)
	if p.mode == PackLines {
		p.b.buf = append(p.b.buf, '\n')
	}
}

// room is what a message to come may need: that much must be free in a batch
// for a message to be begun in it, so that none is cut short by its neighbours.
func (p *packer) room() int {
	if p.mode == PackSingle {
		return 0
	}
	return p.target
}

// size is what the open message would count for if it were closed now.
func (p *packer) size() int {
	n := len(p.b.buf) - p.cur.from
	if p.mode == PackArray {
		n++
	}
	return n
}

// fits reports whether a message can hold the value at all.
func (p *packing) fits(value []byte) bool { return len(value)+p.overhead() <= p.message }

func (p *packer) closeMessage() {
	if !p.open {
		return
	}
	p.open = false
	if p.mode == PackArray {
		p.b.buf = append(p.b.buf, ']')
	}
	p.cur.to, p.cur.last = len(p.b.buf), len(p.b.recs)
	p.run.name(&p.cur, p.b.recs)
	p.b.msgs = append(p.b.msgs, p.cur)
	if p.count > 0 && len(p.b.msgs) >= p.count {
		p.submit()
	}
}

// flush closes the open message and hands the batch over, however full.
func (p *packer) flush() {
	p.closeMessage()
	p.submit()
}

func (p *packer) submit() {
	if p.b == nil || len(p.b.msgs) == 0 {
		return
	}
	b := p.b
	p.b = nil
	select {
	case p.run.batches <- b:
	case <-p.run.lastCtx.Done(): // a sink keeps the senders from returning
		for _, m := range b.msgs {
			giveBackEntries(b.recs[m.first:m.last])
		}
	}
}

// addMessage packs a message that was made elsewhere as one of its own.
func (p *packer) addMessage(m sink.Message, e entry) {
	p.closeMessage()
	if p.b != nil && len(p.b.msgs) > 0 && len(p.b.buf)+m.Size() > p.packing.batch {
		p.submit()
	}
	if p.b == nil {
		p.b = p.run.takeBatch()
	}
	p.cur = message{from: len(p.b.buf), first: len(p.b.recs), attrs: m.Attributes}
	e.from = int32(len(p.b.buf))
	p.b.buf = append(p.b.buf, m.Body...)
	e.to = int32(len(p.b.buf))
	p.b.recs = append(p.b.recs, e)
	p.cur.to, p.cur.last = len(p.b.buf), len(p.b.recs)
	p.run.name(&p.cur, p.b.recs)
	p.b.msgs = append(p.b.msgs, p.cur)
	if p.count > 0 && len(p.b.msgs) >= p.count {
		p.submit()
	}
}

// discard takes the open message back, if it begins with a record's first
// output. It returns the entries that were in it, valid until the next add.
func (p *packer) discard() []entry {
	if !p.open || p.b.recs[p.cur.first].output > 0 {
		return nil
	}
	recs := p.b.recs[p.cur.first:]
	p.b.buf, p.b.recs, p.open = p.b.buf[:p.cur.from], p.b.recs[:p.cur.first], false
	return recs
}

// pending reports whether anything waits for flush.
func (p *packer) pending() bool { return p.b != nil && len(p.b.recs) > 0 }

// name gives a message its id and group.
func (r *run) name(m *message, recs []entry) {
	if !r.packing.perObject {
		m.id = r.id + "-" + strconv.FormatInt(r.messages.Add(1), 36)
		return
	}
	o := recs[m.first].frame.obj
	m.id = stableMessageID(o.identityHash(), r.fingerprint, recs[m.first:m.last])
	if r.packing.fifo {
		m.group = r.packing.group
		if m.group == "" {
			m.group = groupID(o)
		}
	}
}

// groupID is the object's key where that is a legal message group of SQS (up to
// 128 letters, digits and punctuation), or else its hash.
func groupID(o *object) string {
	key := o.src.Key
	if len(key) > 128 {
		return o.identityHash()
	}
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c > '~' {
			return o.identityHash()
		}
	}
	return key
}

// The two characters that valid JSON text in UTF-8 can hold and XML 1.0 cannot.
var (
	nonchar     = []byte("\xef\xbf") // first bytes of U+FFFE and U+FFFF
	escapedFFFE = []byte(`\ufffe`)
	escapedFFFF = []byte(`\uffff`)
)

// escapeNonchars appends value to dst with U+FFFE and U+FFFF escaped, and
// reports whether there were any; if not, dst is of no use. In JSON they can only
// stand in strings, where the escape means the same.
func escapeNonchars(dst, value []byte) ([]byte, bool) {
	if !bytes.Contains(value, nonchar) {
		return dst, false
	}
	found := false
	for {
		i := bytes.Index(value, nonchar)
		if i < 0 || i+2 >= len(value) {
			break
		}
		switch value[i+2] {
		case 0xbe:
			dst = append(append(dst, value[:i]...), escapedFFFE...)
			found = true
		case 0xbf:
			dst = append(append(dst, value[:i]...), escapedFFFF...)
			found = true
		default:
			dst = append(dst, value[:i+3]...)
		}
		value = value[i+3:]
	}
	return append(dst, value...), found
}

// xmlText reports whether text holds only characters of XML 1.0 in UTF-8, as
// SQS demands of a body.
func xmlText(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for _, c := range string(text) { // no copy: the string is only ranged over
		switch {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0xfffe, c == 0xffff:
			return false
		}
	}
	return true
}
