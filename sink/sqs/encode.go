package sqs

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// appendBatch appends the JSON of a request to dst. ok is false where it holds
// what this encoder does not write; dst is then of no use.
func appendBatch(dst []byte, in *awssqs.SendMessageBatchInput) (_ []byte, ok bool) {
	size := 64 + len(aws.ToString(in.QueueUrl))
	for i := range in.Entries {
		// JSON in a JSON string grows by about an eighth.
		n := len(aws.ToString(in.Entries[i].MessageBody))
		size += 256 + n + n/4
	}
	e := encoder{dst: slices.Grow(dst, size), ok: true}
	e.raw(`{"Entries":[`)
	for i := range in.Entries {
		if i > 0 {
			e.raw(",")
		}
		e.entry(&in.Entries[i])
	}
	e.raw("]")
	e.member(`,"QueueUrl":`, in.QueueUrl)
	e.raw("}")
	return e.dst, e.ok
}

// encoder appends JSON and remembers whether it could.
type encoder struct {
	dst []byte
	ok  bool
}

func (e *encoder) raw(s string) { e.dst = append(e.dst, s...) }

// text appends a JSON string.
func (e *encoder) text(s string) {
	var valid bool
	e.dst, valid = appendString(e.dst, s)
	e.ok = e.ok && valid
}

// member appends a member whose value may be absent.
func (e *encoder) member(name string, value *string) {
	if value != nil {
		e.raw(name)
		e.text(*value)
	}
}

func (e *encoder) entry(m *types.SendMessageBatchRequestEntry) {
	e.raw(`{"Id":`)
	e.text(aws.ToString(m.Id))
	e.member(`,"MessageBody":`, m.MessageBody)
	e.member(`,"MessageGroupId":`, m.MessageGroupId)
	e.member(`,"MessageDeduplicationId":`, m.MessageDeduplicationId)
	if m.DelaySeconds != 0 {
		e.raw(`,"DelaySeconds":`)
		e.dst = strconv.AppendInt(e.dst, int64(m.DelaySeconds), 10)
	}
	if m.MessageAttributes != nil {
		e.raw(`,"MessageAttributes":{`)
		comma := ""
		for name, a := range m.MessageAttributes {
			e.raw(comma)
			e.attribute(name, &a)
			comma = ","
		}
		e.raw("}")
	}
	e.ok = e.ok && m.Id != nil && m.MessageSystemAttributes == nil
	e.raw("}")
}

func (e *encoder) attribute(name string, a *types.MessageAttributeValue) {
	e.text(name)
	e.raw(`:{"DataType":`)
	e.text(aws.ToString(a.DataType))
	e.member(`,"StringValue":`, a.StringValue)
	e.raw("}")
	e.ok = e.ok && a.DataType != nil && a.BinaryValue == nil && a.BinaryListValues == nil && a.StringListValues == nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// escapes returns a word whose lowest set high bit is in the first byte of w
// that JSON wants escaped: a quote, a backslash or a control character. Later
// bytes, and bytes that are not ASCII, may be reported wrongly only above it.
func escapes(w uint64) uint64 {
	quote := w ^ '"'*ones
	back := w ^ '\\'*ones
	return ((w - ' '*ones) | (quote - ones) | (back - ones)) &^ w & highs
}

// load returns eight bytes of s as a little-endian word. The compiler makes one
// load of it.
func load(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// appendString appends s as a JSON string, eight bytes at a time. valid is false
// where s is not UTF-8.
func appendString(dst []byte, s string) (_ []byte, valid bool) {
	// longest is the longest escape sequence, and room for a word beside it.
	const longest = 6 + 8
	dst = append(dst, '"')
	n := len(dst)
	dst = slices.Grow(dst, len(s)+longest)
	dst = dst[:cap(dst)]
	var seen uint64
	for i := 0; i < len(s); {
		if len(dst)-n < longest {
			dst = slices.Grow(dst[:n], (len(s)-i)*2+longest)
			dst = dst[:cap(dst)]
		}
		if i+8 <= len(s) {
			w := load(s, i)
			seen |= w
			binary.LittleEndian.PutUint64(dst[n:], w)
			m := escapes(w)
			if m == 0 {
				i, n = i+8, n+8
				continue
			}
			k := bits.TrailingZeros64(m) >> 3
			i, n = i+k, n+k
		}
		c := s[i]
		i++
		seen |= uint64(c)
		switch {
		case c == '"' || c == '\\': // of JSON in a string every tenth byte or so
			dst[n], dst[n+1] = '\\', c
			n += 2
		case c >= ' ':
			dst[n] = c
			n++
		default:
			n += copy(dst[n:], escaped(c))
		}
	}
	dst = append(dst[:n], '"')
	return dst, seen&highs == 0 || utf8.ValidString(s)
}

// escaped returns the escape sequence of a control character.
func escaped(c byte) string {
	switch c {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	const digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	return `\u00` + digits[2*c:2*c+2]
}
