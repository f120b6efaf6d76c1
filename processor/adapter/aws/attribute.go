package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// maxAttributeDepth is how deep attributes may nest: DynamoDB itself allows 32.
const maxAttributeDepth = 64

var errAttribute = errors.New("it is no attribute of DynamoDB")

// item turns an item of DynamoDB, whose values say their types, into plain JSON:
//
//	{"id":{"N":"12345678901234567890.5"},"tags":{"SS":["a","b"]}}
//	{"id":12345678901234567890.5,"tags":["a","b"]}
//
// Numbers keep all of their digits, sets become arrays, and binary values stay in
// base64. Members keep their order.
func item(text []byte) ([]byte, error) {
	x := translator{in: json.NewDecoder(bytes.NewReader(text))}
	x.in.UseNumber()
	if err := x.members(0); err != nil {
		return nil, err
	}
	return x.out.Bytes(), nil
}

type translator struct {
	in  *json.Decoder
	out bytes.Buffer
}

// members translates an object of attributes.
func (x *translator) members(depth int) error {
	if err := x.expect('{'); err != nil {
		return err
	}
	x.out.WriteByte('{')
	for first := true; x.in.More(); first = false {
		if !first {
			x.out.WriteByte(',')
		}
		if err := x.text(); err != nil { // the name
			return err
		}
		x.out.WriteByte(':')
		if err := x.attribute(depth + 1); err != nil {
			return err
		}
	}
	x.out.WriteByte('}')
	return x.expect('}')
}

// attribute translates one value: an object with one member, named by its type.
func (x *translator) attribute(depth int) error {
	if depth > maxAttributeDepth {
		return fmt.Errorf("attributes nest deeper than %d: %w", maxAttributeDepth, errAttribute)
	}
	if err := x.expect('{'); err != nil {
		return err
	}
	kind, err := x.in.Token()
	if err != nil {
		return errAttribute // what it says would quote the item
	}
	switch kind {
	case "S", "B":
		err = x.text()
	case "N":
		err = x.number()
	case "BOOL", "NULL":
		err = x.literal(kind == "NULL")
	case "SS", "BS":
		err = x.list(x.text)
	case "NS":
		err = x.list(x.number)
	case "L":
		err = x.list(func() error { return x.attribute(depth + 1) })
	case "M":
		err = x.members(depth)
	default:
		err = errAttribute
	}
	if err != nil {
		return err
	}
	return x.expect('}')
}

func (x *translator) expect(d json.Delim) error {
	if t, err := x.in.Token(); err != nil || t != d {
		return errAttribute
	}
	return nil
}

// text translates a text, which may be a name.
func (x *translator) text() error {
	t, err := x.in.Token()
	s, ok := t.(string)
	if err != nil || !ok {
		return errAttribute
	}
	enc := json.NewEncoder(&x.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return errAttribute
	}
	x.out.Truncate(x.out.Len() - 1) // the newline that Encode adds
	return nil
}

// number translates the text of a number. That of DynamoDB is always one of JSON.
func (x *translator) number() error {
	t, err := x.in.Token()
	s, ok := t.(string)
	if err != nil || !ok || !number(s) {
		return errAttribute
	}
	x.out.WriteString(s)
	return nil
}

// number reports whether s is a number of JSON, and nothing else.
func number(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	last := s[len(s)-1]
	return last >= '0' && last <= '9' && json.Valid([]byte(s))
}

func (x *translator) literal(null bool) error {
	t, err := x.in.Token()
	b, ok := t.(bool)
	switch {
	case err != nil, !ok:
		return errAttribute
	case null:
		x.out.WriteString("null")
	case b:
		x.out.WriteString("true")
	default:
		x.out.WriteString("false")
	}
	return nil
}

func (x *translator) list(element func() error) error {
	if err := x.expect('['); err != nil {
		return err
	}
	x.out.WriteByte('[')
	for first := true; x.in.More(); first = false {
		if !first {
			x.out.WriteByte(',')
		}
		if err := element(); err != nil {
			return err
		}
	}
	x.out.WriteByte(']')
	return x.expect(']')
}
