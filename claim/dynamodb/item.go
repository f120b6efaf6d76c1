package dynamodb

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// The attributes of an item. Names count towards its size. Workers of other
// versions may add attributes: what is not known here is left alone. One that
// gives a known attribute another meaning marks the item with a later layout,
// which this version refuses to read, and to change: see [ofThisLayout].
const (
	attrLayout   = "v" // N: absent in this layout, the first
	attrKey      = "k" // B: the key, byte for byte
	attrToken    = "t" // B: of the present or last lease
	attrNonce    = "n" // B: of the call that was granted it; there while, and only while, a lease exists
	attrOwner    = "o" // S
	attrAttempt  = "a" // N
	attrClaimed  = "c" // N: Unix time in ms of the last grant
	attrExpires  = "x" // N: Unix time in ms; end of the lease, or of the delay
	attrProgress = "p" // B: absent where empty
	attrReason   = "r" // S: absent where empty
	attrDone     = "d" // N: Unix time in ms; there if, and only if, finished
	attrTTL      = "e" // N: Unix time in seconds, for DynamoDB's TTL
)

// maxReasonBytes keeps an item small, and below DynamoDB's limit.
const maxReasonBytes = 1024

// attributes is an item, or a part of one.
type attributes = map[string]types.AttributeValue

// item is an item of the table, read.
type item struct {
	key, token, nonce, owner string
	progress, reason         string
	attempt                  int
	claimed, expires, done   int64
	held, finished           bool
}

// read turns attributes into an item. Of what has another type than this
// package writes, it says that the table is not one of claims. An item of a later
// layout is refused.
func read(attrs attributes) (item, error) {
	var (
		it  item
		bad []string
	)
	number := func(v types.AttributeValue, name string) int64 {
		n, ok := v.(*types.AttributeValueMemberN)
		if !ok {
			bad = append(bad, name)
			return 0
		}
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil {
			bad = append(bad, name)
		}
		return i
	}
	text := func(v types.AttributeValue, name string) string {
		switch v := v.(type) {
		case *types.AttributeValueMemberB:
			return string(v.Value)
		case *types.AttributeValueMemberS:
			return v.Value
		}
		bad = append(bad, name)
		return ""
	}
	if err := checkLayout(attrs); err != nil {
		return item{}, err
	}
	for name, v := range attrs {
		switch name {
		case attrKey:
			it.key = text(v, name)
		case attrToken:
			it.token = text(v, name)
		case attrNonce:
			it.nonce, it.held = text(v, name), true
		case attrOwner:
			it.owner = text(v, name)
		case attrAttempt:
			it.attempt = int(number(v, name))
		case attrClaimed:
			it.claimed = number(v, name)
		case attrExpires:
			it.expires = number(v, name)
		case attrProgress:
			it.progress = text(v, name)
		case attrReason:
			it.reason = text(v, name)
		case attrDone:
			it.done, it.finished = number(v, name), true
		}
	}
	if len(bad) > 0 {
		return item{}, fault.Fatal(fmt.Errorf("item %.64q is no claim: attributes %q", it.key, bad))
	}
	return it, nil
}

// ofThisLayout is the condition that an item is of the layout that this version
// knows, or none.
const ofThisLayout = "attribute_not_exists(" + attrLayout + ")"

// checkLayout refuses an item of a later layout.
func checkLayout(attrs attributes) error {
	v, marked := attrs[attrLayout]
	if !marked {
		return nil
	}
	later := "another"
	if n, ok := v.(*types.AttributeValueMemberN); ok {
		later = n.Value
	}
	key := ""
	if k, ok := attrs[attrKey].(*types.AttributeValueMemberB); ok {
		key = string(k.Value)
	}
	return fault.Fatal(fmt.Errorf("dynamodb: item %.64q has layout %s, and this version reads layout 1: a later version of unspool is at work", key, later))
}

// lease is the lease of an item that is held.
func (it item) lease(key string) claim.Lease {
	return claim.Lease{Key: key, Token: it.token, Attempt: it.attempt, Progress: it.progress}
}

// blank reports whether forgetting the item at the given time loses nothing but
// the answer to a repeated release.
func (it item) blank(now int64) bool {
	return !it.held && !it.finished && it.attempt == 0 && it.progress == "" && it.reason == "" && it.expires <= now
}

// entry is the item as an Inspector shows it.
func (it item) entry() claim.Entry {
	e := claim.Entry{
		Key:       it.key,
		Owner:     it.owner,
		Attempt:   it.attempt,
		Progress:  it.progress,
		Reason:    it.reason,
		ClaimedAt: unix(it.claimed),
		Expires:   unix(it.expires),
		DoneAt:    unix(it.done),
	}
	switch {
	case it.finished:
		e.State = claim.Finished
	case it.held:
		e.State = claim.Processing
	}
	return e
}

// unix is a time in milliseconds, where 0 is none.
func unix(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// keyOf is the primary key of an item.
func keyOf(key string) attributes { return attributes{attrKey: blob(key)} }

func blob(s string) types.AttributeValue { return &types.AttributeValueMemberB{Value: []byte(s)} }

func integer(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// words is a text for operators: bounded, and UTF-8 as DynamoDB wants it.
func words(s string) types.AttributeValue {
	if len(s) > maxReasonBytes {
		s = s[:maxReasonBytes]
	}
	return &types.AttributeValueMemberS{Value: strings.ToValidUTF8(s, "")}
}
