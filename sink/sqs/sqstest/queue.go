package sqstest

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxInFlight is how many messages of a queue may be received and not yet
// deleted.
const maxInFlight = 120_000

// dedupWindow is how long a FIFO queue remembers a deduplication id.
const dedupWindow = 5 * time.Minute

// queue is one queue and all it ever accepted.
type queue struct {
	name, url, arn string
	fifo           bool
	created        time.Time
	keepBodies     bool
	keepDeleted    bool              // with their bodies
	createdWith    map[string]string // the attributes, which CreateQueue compares

	mu       sync.Mutex
	spec     settings
	modified time.Time
	purged   time.Time
	all      []*message
	live     []*message // not deleted, oldest first; deleted ones are dropped lazily
	byID     map[string]*message
	dedup    map[string]dedupEntry
	sequence uint64
	changed  chan struct{} // closed when something may have become receivable
}

// message is a message and its state in the queue.
type message struct {
	Message
	visible  time.Time // not receivable before
	inFlight bool      // received since, and visible is when that lapses
	receipt  string    // of the last receive
	first    time.Time // first received
	last     time.Time // last received
}

// dedupEntry is the message that holds a deduplication id.
type dedupEntry struct {
	id, sequence string
	until        time.Time
}

func newQueue(name, base string, cfg Config, spec settings, now time.Time) *queue {
	return &queue{
		name:       name,
		url:        base + "/" + cfg.Account + "/" + name,
		arn:        "arn:aws:sqs:" + cfg.Region + ":" + cfg.Account + ":" + name,
		fifo:       strings.HasSuffix(name, ".fifo"),
		created:    now,
		modified:   now,
		keepBodies: !cfg.DiscardBodies,
		spec:       spec,
		byID:       map[string]*message{},
		dedup:      map[string]dedupEntry{},
		changed:    make(chan struct{}),

		keepDeleted: !cfg.DiscardDeleted,
	}
}

// wake lets waiting receivers look again. The caller holds mu.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// nextSequence returns the next sequence number of a FIFO queue: 20 digits that
// grow. The caller holds mu.
func (q *queue) nextSequence() string {
	q.sequence++
	return "188" + leftPad(strconv.FormatUint(q.sequence, 10), 17)
}

func leftPad(s string, n int) string { return strings.Repeat("0", n-len(s)) + s }

// duplicate returns the message that already holds m's deduplication id. The
// caller holds mu.
func (q *queue) duplicate(m *Message, now time.Time) (dedupEntry, bool) {
	e, ok := q.dedup[q.dedupKey(m)]
	if ok && now.Before(e.until) {
		return e, true
	}
	return dedupEntry{}, false
}

// dedupKey is the deduplication id, within the group where the queue says so.
func (q *queue) dedupKey(m *Message) string {
	if q.spec.perGroupDedup {
		return m.Group + "\x00" + m.DeduplicationID
	}
	return m.DeduplicationID
}

// add accepts m, or finds it a duplicate. Either way it sets m.ID and
// m.SequenceNumber.
func (q *queue) add(m *Message, delay *time.Duration, now time.Time) (duplicate bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fifo {
		if e, ok := q.duplicate(m, now); ok {
			m.ID, m.SequenceNumber = e.id, e.sequence
			return true
		}
		m.SequenceNumber = q.nextSequence()
	}
	m.ID = newID()
	m.Sent = now
	if q.fifo {
		q.dedup[q.dedupKey(m)] = dedupEntry{m.ID, m.SequenceNumber, now.Add(dedupWindow)}
	}
	wait := q.spec.delay
	if delay != nil {
		wait = *delay
	}
	stored := &message{Message: *m, visible: now.Add(wait)}
	if !q.keepBodies {
		stored.Body = ""
	}
	q.all = append(q.all, stored)
	q.live = append(q.live, stored)
	q.byID[stored.ID] = stored
	q.wake()
	return false
}

// prune drops what was deleted or has expired from the front of live. The
// caller holds mu.
func (q *queue) prune(now time.Time) {
	for len(q.live) > 0 {
		m := q.live[0]
		if !m.Deleted && now.Sub(m.Sent) <= q.spec.retention {
			return
		}
		q.forget(m)
		q.live = q.live[1:]
	}
}

// forget marks m as deleted. The caller holds mu.
func (q *queue) forget(m *message) {
	m.Deleted = true
	if !q.keepDeleted {
		m.Body, m.Attributes = "", nil
	}
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Messages returns every message that the queue ever accepted, in order,
// deleted ones included. It is empty for a queue that does not exist.
func (s *Server) Messages(queue string) []Message {
	q := s.queueNamed(queue)
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Message, len(q.all))
	for i, m := range q.all {
		out[i] = m.Message
	}
	return out
}
