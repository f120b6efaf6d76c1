package sqstest

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

// Message is a message that a queue accepted.
type Message struct {
	// ID is the MessageId that the server gave it, EntryID the Id of its entry
	// in the batch (empty from SendMessage).
	ID, EntryID string
	// Body is empty with [Config.DiscardBodies]; Size (with the attributes) and
	// MD5 (of the body) are not.
	Body string
	Size int
	MD5  string
	// Attributes are the message attributes by name.
	Attributes map[string]Attribute
	// TraceHeader is the system attribute AWSTraceHeader.
	TraceHeader string
	// Group and DeduplicationID are as sent; with content-based deduplication
	// DeduplicationID is the hash of the body.
	Group, DeduplicationID string
	// SequenceNumber is set on FIFO queues.
	SequenceNumber string
	// Sent is when it was accepted, by the server's clock.
	Sent time.Time
	// Receives counts how often it was received, here and in the queue that it
	// was a dead letter of.
	Receives int
	// Deleted says that it was deleted, purged, expired or moved to the
	// dead-letter queue.
	Deleted bool
}

// Attribute is the value of a message attribute. Binary is set for the type
// Binary and its custom types, Value for all others.
type Attribute struct {
	Type, Value string
	Binary      []byte
}

// size is what the attribute counts for, without its name.
func (a Attribute) size() int { return len(a.Type) + len(a.Value) + len(a.Binary) }

// checksum is MD5OfMessageAttributes as the developer guide defines it: over
// the attributes sorted by name, each part preceded by its length, the value
// by a byte that says how it is transported. It is empty for no attributes.
func checksum(attrs map[string]Attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	var b []byte
	part := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for _, name := range slices.SortedFunc(maps.Keys(attrs), cmp.Compare) {
		a := attrs[name]
		part(name)
		part(a.Type)
		if a.Binary != nil {
			b = append(b, 2)
			part(string(a.Binary))
		} else {
			b = append(b, 1)
			part(a.Value)
		}
	}
	return md5Hex(b)
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
