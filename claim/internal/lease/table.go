// Package lease holds the rules of claiming for stores that keep their live
// leases in the memory of one process. It knows neither locks, clocks nor
// files: the store calls it under its own lock, says what time it is, and
// keeps the finished keys.
package lease

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// Grant is what the leases granted by one Claim call have in common. Entries
// refer to it, so that a lease costs no strings of its own.
type Grant struct {
	ID    uint64 // unique in the life of the store
	Token string // TokenOf(ID)
	Owner string
	Nonce string
	At    int64 // Unix time in ns
}

// TokenOf returns the token of the leases granted under id.
func TokenOf(id uint64) string { return strconv.FormatUint(id, 36) }

// GrantOf returns the id of a token, or 0 for what is no token.
func GrantOf(token string) uint64 {
	id, err := strconv.ParseUint(token, 36, 64)
	if err != nil || TokenOf(id) != token {
		return 0
	}
	return id
}

// Entry is what the table knows of a key that is not finished.
type Entry struct {
	Grant *Grant // the present or last one
	// seen is the id of the last Claim call that was granted the key: it tells
	// a key that is listed twice in a call from a call that is repeated.
	seen    uint64
	Expires int64 // Unix time in ns: end of the lease, or of the delay
	Attempt int32
	Held    bool  // a lease exists, though it may have expired
	note    *note // nil where there is neither progress nor reason
}

type note struct{ progress, reason string }

// Progress returns what the last holder stored.
func (e Entry) Progress() string {
	if e.note == nil {
		return ""
	}
	return e.note.progress
}

// Reason returns why the key was last released.
func (e Entry) Reason() string {
	if e.note == nil {
		return ""
	}
	return e.note.reason
}

// SetNote sets progress and reason.
func (e *Entry) SetNote(progress, reason string) {
	e.note = nil
	if progress != "" || reason != "" {
		e.note = &note{progress, reason}
	}
}

// blank reports whether forgetting the entry at the given time loses nothing
// but the answer to a repeated release.
func (e Entry) blank(now int64) bool {
	return !e.Held && e.Attempt == 0 && e.note == nil && e.Expires <= now
}

// Table is the set of keys that are known and not finished. The zero value is
// empty and ready. It is not safe for concurrent use.
type Table struct{ entries map[string]Entry }

// Len returns the number of entries.
func (t *Table) Len() int { return len(t.entries) }

// Entry returns what the table knows of key.
func (t *Table) Entry(key string) (Entry, bool) {
	e, ok := t.entries[key]
	return e, ok
}

// All calls yield for each entry until it returns false.
func (t *Table) All(yield func(key string, e Entry) bool) {
	for key, e := range t.entries {
		if !yield(key, e) {
			return
		}
	}
}

// Put sets an entry, as a store does that reads its log.
func (t *Table) Put(key string, e Entry) {
	if t.entries == nil {
		t.entries = make(map[string]Entry)
	}
	t.entries[key] = e
}

// Void ends all leases: the keys can be claimed at once, their attempts stay
// counted.
func (t *Table) Void() {
	for key, e := range t.entries {
		if e.Held {
			e.Held, e.Expires = false, 0
			t.entries[key] = e
		}
	}
}

// Delete removes an entry.
func (t *Table) Delete(key string) { delete(t.entries, key) }

// Sweep removes the entries with nothing on record. A release of one of them
// that is repeated later is answered with ErrLost.
func (t *Table) Sweep(now int64) {
	for key, e := range t.entries {
		if e.blank(now) {
			delete(t.entries, key)
		}
	}
}

// Claim applies the rules of claiming to a key that is not finished: g is the
// grant of this call, now the time.
func (t *Table) Claim(g *Grant, key string, now int64, ttl time.Duration) claim.Result {
	e := t.entries[key]
	switch {
	case e.seen == g.ID:
		return claim.Result{Status: claim.Held} // listed twice in this call
	case e.Held && e.Grant.Nonce == g.Nonce:
		// The call is repeated, because its first answer was lost.
	case e.Grant != nil && e.Expires > now:
		return claim.Result{Status: claim.Held}
	default:
		e.Grant = g
		e.Held = true
		if e.Attempt < math.MaxInt32 {
			e.Attempt++
		}
	}
	e.seen = g.ID
	e.Expires = After(now, ttl)
	t.Put(key, e)
	return claim.Result{Status: claim.Granted, Lease: claim.Lease{
		Key:      key,
		Token:    e.Grant.Token,
		Attempt:  int(e.Attempt),
		Progress: e.Progress(),
	}}
}

// Extend renews a lease and stores its progress. It reports whether the
// progress was another before.
func (t *Table) Extend(l claim.Lease, now int64, ttl time.Duration) (changed bool, err error) {
	e, ok := t.entries[l.Key]
	if !ok || !e.Held || e.Grant.Token != l.Token {
		return false, Lost("extend", l.Key)
	}
	if err := claim.CheckProgress(l); err != nil {
		return false, err
	}
	e.Expires = After(now, ttl)
	if changed = e.Progress() != l.Progress; changed {
		e.SetNote(l.Progress, e.Reason())
	}
	t.entries[l.Key] = e
	return changed, nil
}

// Complete removes the entry of a lease and returns its grant. Where it is
// false the lease is not live; the store knows whether it was completed
// before, and else answers Lost.
func (t *Table) Complete(l claim.Lease) (*Grant, bool) {
	e, ok := t.entries[l.Key]
	if !ok || !e.Held || e.Grant.Token != l.Token {
		return nil, false
	}
	delete(t.entries, l.Key)
	return e.Grant, true
}

// Release gives a lease back. It reports whether anything changed: repeated
// with the same token it does nothing.
func (t *Table) Release(r claim.Return, now int64) (changed bool, err error) {
	e, ok := t.entries[r.Lease.Key]
	if !ok || e.Grant == nil || e.Grant.Token != r.Lease.Token {
		return false, Lost("release", r.Lease.Key)
	}
	if !e.Held {
		return false, nil
	}
	if err := claim.CheckProgress(r.Lease); err != nil {
		return false, err
	}
	e.Held = false
	if !r.Counted && e.Attempt > 0 {
		e.Attempt--
	}
	e.Expires = After(now, max(0, r.Delay))
	e.SetNote(r.Lease.Progress, r.Reason)
	t.entries[r.Lease.Key] = e
	return true, nil
}

// Counts adds the entries to the counts of their states.
func (t *Table) Counts(now int64, c *claim.Counts) {
	for _, e := range t.entries {
		switch {
		case e.Held && e.Expires > now:
			c.Processing++
		case e.Held:
			c.Expired++
		case !e.blank(now):
			c.Waiting++
		}
	}
}

// Describe is the entry as an Inspector shows it.
func (e Entry) Describe(key string) claim.Entry {
	d := claim.Entry{
		Key:      key,
		Attempt:  int(e.Attempt),
		Progress: e.Progress(),
		Reason:   e.Reason(),
	}
	if e.Expires != 0 {
		d.Expires = time.Unix(0, e.Expires)
	}
	if e.Held {
		d.State = claim.Processing
	}
	if e.Grant != nil {
		d.Owner = e.Grant.Owner
		d.ClaimedAt = time.Unix(0, e.Grant.At)
	}
	return d
}

// Lost is the error of an operation on a lease that is not the caller's.
func Lost(op, key string) error { return fmt.Errorf("%s %q: %w", op, key, claim.ErrLost) }

// After returns the time d after now, or the last time there is.
func After(now int64, d time.Duration) int64 {
	if int64(d) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(d)
}
