package dynamodbtest

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Times of streams, as the developer guide gives them.
const (
	retention   = 24 * time.Hour   // of records
	shardLife   = 4 * time.Hour    // then a shard rolls over
	iteratorAge = 15 * time.Minute // then an iterator has expired
)

// stream is the stream of a table. The server's data lock guards it.
type stream struct {
	arn, label, table string
	view              string
	schema            schema
	definitions       []keyAttr
	created           time.Time
	disabled          bool
	shards            []*shard // parents before children
	sequence          sequence // the last one given out
	lastID            int64    // of a shard, in milliseconds
}

// shard holds the records of a part of the partitions.
type shard struct {
	id, parent  string
	low, high   uint64 // hashes of partitions, both included
	first, last sequence
	opened      time.Time
	closed      time.Time // zero while it is open
	trimmed     sequence  // of the last record that is gone, or 0
	records     []record
}

// record is one change of an item. Its strings are those of the table.
type record struct {
	sequence       sequence
	at             time.Time
	keys, old, new item // old and new as far as the view shows them
	event          event
}

type event byte

const (
	insert event = iota
	modify
	remove
)

func (e event) String() string { return [...]string{"INSERT", "MODIFY", "REMOVE"}[e] }

// sequence numbers the records and shards of a stream.
type sequence uint64

// wide is when sequence numbers get another digit. On AWS too they do not all
// have as many: who compares them as strings is to find out.
const wide = 1000

// String is 21 digits, later 22.
func (n sequence) String() string {
	if n < wide {
		return fmt.Sprintf("999999999999999999%03d", uint64(n))
	}
	return fmt.Sprintf("1%021d", uint64(n-wide))
}

// parseSequence reads what String wrote. Numbers of others come out as the nearest
// that could be ours.
func parseSequence(s string) (sequence, bool) {
	if s == "" || !allDigits(s) || len(s) > 40 {
		return 0, false
	}
	s = strings.TrimLeft(s, "0")
	switch {
	case len(s) == 21 && strings.HasPrefix(s, "999999999999999999"):
		n, err := strconv.ParseUint(s[18:], 10, 64)
		return sequence(n), err == nil
	case len(s) < 22:
		return 0, true
	case len(s) == 22 && s[0] == '1':
		if n, err := strconv.ParseUint(s[1:], 10, 63); err == nil {
			return sequence(n) + wide, true
		}
	}
	return math.MaxUint64, true
}

func newStream(t *table, view string, shards int, region, account string, now time.Time) *stream {
	label := now.UTC().Format("2006-01-02T15:04:05.000")
	st := &stream{
		arn: "arn:aws:dynamodb:" + region + ":" + account + ":table/" + t.name + "/stream/" + label, label: label, table: t.name,
		view: view, schema: t.schema, definitions: t.definitions, created: now,
	}
	step := math.MaxUint64/uint64(shards) + 1 // 0 for one shard
	for i := range uint64(shards) {
		high := (i+1)*step - 1
		if i+1 == uint64(shards) {
			high = math.MaxUint64
		}
		st.open("", i*step, high, now)
	}
	return st
}

func (st *stream) next() sequence {
	st.sequence++
	return st.sequence
}

// open opens a shard.
func (st *stream) open(parent string, low, high uint64, now time.Time) {
	st.lastID = max(st.lastID+1, now.UnixMilli())
	id := fmt.Sprintf("shardId-%020d-%08x", st.lastID, uint32(hash(st.arn+strconv.FormatInt(st.lastID, 10))))
	st.shards = append(st.shards, &shard{id: id, parent: parent, low: low, high: high, first: st.next(), opened: now})
}

// close closes a shard.
func (sh *shard) close(now time.Time) {
	sh.closed = now
	sh.last = sh.first
	if n := len(sh.records); n > 0 {
		sh.last = sh.records[n-1].sequence
	} else if sh.trimmed > 0 {
		sh.last = sh.trimmed
	}
}

// roll closes a shard and opens its successors, each for a part of its partitions.
func (st *stream) roll(sh *shard, parts uint64, now time.Time) {
	sh.close(now)
	step := (sh.high - sh.low) / parts
	low := sh.low
	for i := range parts {
		high := low + step
		if i+1 == parts {
			high = sh.high
		}
		st.open(sh.id, low, high, now)
		low = high + 1
	}
}

// keepUp does what time does to a stream: shards that are old roll over, records
// that are old are trimmed, and shards that are closed and empty vanish.
func (st *stream) keepUp(now time.Time) {
	for _, sh := range st.shards {
		if sh.closed.IsZero() && !st.disabled && now.Sub(sh.opened) >= shardLife {
			st.roll(sh, 1, now)
		}
		sh.trim(now.Add(-retention))
	}
	st.shards = slices.DeleteFunc(st.shards, func(sh *shard) bool {
		return !sh.closed.IsZero() && now.Sub(sh.closed) > retention && len(sh.records) == 0
	})
}

// trim drops the records before a time.
func (sh *shard) trim(before time.Time) {
	n := sort.Search(len(sh.records), func(i int) bool { return !sh.records[i].at.Before(before) })
	if n == 0 {
		return
	}
	sh.trimmed = sh.records[n-1].sequence
	clear(sh.records[:n])
	sh.records = sh.records[n:]
}

// record adds the record of a change.
func (st *stream) record(c change, now time.Time) {
	st.keepUp(now)
	r := record{sequence: st.next(), at: now, keys: c.keys, event: modify}
	switch {
	case c.old == "":
		r.event = insert
	case c.new == "":
		r.event = remove
	}
	if st.view == "OLD_IMAGE" || st.view == "NEW_AND_OLD_IMAGES" {
		r.old = c.old
	}
	if st.view == "NEW_IMAGE" || st.view == "NEW_AND_OLD_IMAGES" {
		r.new = c.new
	}
	h := hashOf(c.key)
	for _, sh := range st.shards {
		if sh.closed.IsZero() && sh.low <= h && h <= sh.high {
			sh.records = append(sh.records, r)
			return
		}
	}
}

// end disables the stream: its shards close, and stay readable.
func (st *stream) end(now time.Time) {
	st.disabled = true
	for _, sh := range st.shards {
		if sh.closed.IsZero() {
			sh.close(now)
		}
	}
}

// find finds a shard that is still there.
func (st *stream) find(id string) *shard {
	for _, sh := range st.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

// appendJSON appends the record as GetRecords answers it.
func (r *record) appendJSON(b []byte, st *stream, region string) []byte {
	id := fnv.New128a()
	_, _ = fmt.Fprintf(id, "%s %d", st.arn, r.sequence) // never fails
	b = append(b, `{"eventID":"`...)
	b = fmt.Appendf(b, "%032x", id.Sum(nil))
	b = append(b, `","eventName":"`...)
	b = append(b, r.event.String()...)
	b = append(b, `","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"`...)
	b = append(b, region...)
	b = append(b, `","dynamodb":{"ApproximateCreationDateTime":`...)
	b = strconv.AppendInt(b, r.at.Unix(), 10)
	b = append(b, `,"Keys":`...)
	b = r.keys.attrs().appendJSON(b)
	if r.new != "" {
		b = append(b, `,"NewImage":`...)
		b = r.new.attrs().appendJSON(b)
	}
	if r.old != "" {
		b = append(b, `,"OldImage":`...)
		b = r.old.attrs().appendJSON(b)
	}
	b = append(b, `,"SequenceNumber":"`...)
	b = append(b, r.sequence.String()...)
	b = append(b, `","SizeBytes":`...)
	b = strconv.AppendInt(b, int64(r.size()), 10)
	b = append(b, `,"StreamViewType":"`...)
	b = append(b, st.view...)
	return append(b, `"}}`...)
}

// size is that of the keys and images that the record shows.
func (r *record) size() int { return r.keys.size() + r.new.size() + r.old.size() }
