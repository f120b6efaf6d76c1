// Package sqsletter is the form in which a record that was put aside travels in a
// queue of SQS: an envelope of a destination as one message.
//
// The body is the record as it is, for any consumer. What else is in the envelope
// is in message attributes, of which SQS takes ten: those with the names below.
package sqsletter

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// Names of attributes. Version, Index, Reason, Stage and Encoding are left out where
// there is nothing to say.
const (
	Object   = "object"
	Version  = "version"
	Offset   = "offset"
	Index    = "index"
	Attempt  = "attempt"
	Class    = "class"
	Reason   = "reason"
	Stage    = "stage"
	Encoding = "encoding"

	// object64 and version64 stand for Object and Version, in base64, where those
	// hold what SQS does not take.
	object64  = "object64"
	version64 = "version64"
)

// Values of Encoding.
const (
	// encodingBase64 is that of a body that SQS would not take as it is.
	encodingBase64 = "base64"
	// encodingEmpty is that of a record without a byte: SQS takes no empty body.
	encodingEmpty = "empty"
	emptyBody     = " "
)

// Attribute is a message attribute.
type Attribute struct{ Name, Type, Value string }

// Write makes a message of an envelope. Its time is left out: that of the sending
// is the same. body may be the Data of the envelope.
func Write(e *destination.Envelope) (body []byte, attributes []Attribute) {
	add := func(name, kind, value string) {
		attributes = append(attributes, Attribute{name, kind, value})
	}
	number := func(name string, n int64) { add(name, "Number", strconv.FormatInt(n, 10)) }
	key := func(name, name64, value string) {
		if value != "" && sendable(value) {
			add(name, "String", value)
		} else {
			add(name64, "String", encodingBase64+":"+base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	key(Object, object64, e.Object)
	if e.Version != "" {
		key(Version, version64, e.Version)
	}
	number(Offset, e.Offset)
	if e.Index != 0 {
		number(Index, int64(e.Index))
	}
	number(Attempt, int64(e.Attempt))
	add(Class, "String", e.Class)
	if e.Reason != "" {
		add(Reason, "String", replace(e.Reason))
	}
	if e.Stage != "" {
		add(Stage, "String", e.Stage)
	}
	switch {
	case len(e.Data) == 0:
		add(Encoding, "String", encodingEmpty)
		return []byte(emptyBody), attributes
	case !sendable(string(e.Data)):
		add(Encoding, "String", encodingBase64)
		return base64.StdEncoding.AppendEncode(nil, e.Data), attributes
	}
	return e.Data, attributes
}

// Read returns the envelope that Write made a message of. attributes are the values
// by name; ok is false where they are not those of such a message. Its time is zero.
func Read(body string, attributes map[string]string) (e destination.Envelope, ok bool) {
	r := reader{attributes: attributes, ok: true}
	e = destination.Envelope{
		Object: r.key(Object, object64), Offset: r.number(Offset, 64), Attempt: int(r.number(Attempt, 32)),
		Class: attributes[Class], Reason: attributes[Reason], Stage: attributes[Stage],
	}
	if attributes[Version] != "" || attributes[version64] != "" {
		e.Version = r.key(Version, version64)
	}
	if _, there := attributes[Index]; there {
		e.Index = int(r.number(Index, 32))
	}
	r.ok = r.ok && known(e.Class)
	switch attributes[Encoding] {
	case "":
		e.Data = []byte(body)
	case encodingEmpty:
	case encodingBase64:
		data, err := base64.StdEncoding.DecodeString(body)
		e.Data, r.ok = data, r.ok && err == nil
	default:
		r.ok = false
	}
	if !r.ok {
		return destination.Envelope{}, false
	}
	return e, true
}

// Own reports whether an attribute is one that Write writes.
func Own(name string) bool {
	switch name {
	case Object, object64, Version, version64, Offset, Index, Attempt, Class, Reason, Stage, Encoding:
		return true
	}
	return false
}

// reader reads attributes, and remembers whether it could.
type reader struct {
	attributes map[string]string
	ok         bool
}

// number reads a number that is not negative.
func (r *reader) number(name string, bits int) int64 {
	n, err := strconv.ParseInt(r.attributes[name], 10, bits)
	r.ok = r.ok && err == nil && n >= 0
	return n
}

// key reads what may be written in either of two ways.
func (r *reader) key(name, name64 string) string {
	if value := r.attributes[name]; value != "" {
		return value
	}
	text, marked := strings.CutPrefix(r.attributes[name64], encodingBase64+":")
	value, err := base64.StdEncoding.DecodeString(text)
	r.ok = r.ok && marked && err == nil
	return string(value)
}

// Renew makes attributes those of a record of which no attempt has failed.
func Renew(attributes []Attribute) []Attribute {
	var fresh []Attribute
	for _, a := range attributes {
		switch a.Name {
		case Attempt:
			a.Value = "0"
		case Class:
			a.Value = fault.ClassNone.String()
		case Reason:
			continue
		}
		fresh = append(fresh, a)
	}
	return fresh
}

// known reports whether a class is one that envelopes have, or none.
func known(class string) bool {
	for _, c := range []fault.Class{fault.ClassNone, fault.ClassRetryable, fault.ClassCorrupt, fault.ClassInterrupted, fault.ClassFatal} {
		if c.String() == class {
			return true
		}
	}
	return false
}

// sendable reports whether SQS takes a text: it is UTF-8, and holds nothing but the
// characters of XML 1.0.
func sendable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, refused) < 0
}

// replace puts U+FFFD in place of what SQS does not take.
func replace(text string) string {
	return strings.Map(func(c rune) rune {
		if refused(c) {
			return utf8.RuneError
		}
		return c
	}, strings.ToValidUTF8(text, string(utf8.RuneError)))
}

func refused(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xfffe || c == 0xffff
}
