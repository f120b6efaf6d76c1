package main

import (
	"context"
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// mask takes the place of what is redacted.
const mask = `"***"`

// Redact masks the value of every member with this name, at any depth,
// repeated members among them, however the name is escaped. Everything else is
// kept byte for byte, but for white space.
type Redact string

var (
	_ transform.Transform = Redact("")
	_ transform.EmitsJSON = Redact("")
)

// Apply writes the redacted record to out.
func (r Redact) Apply(_ context.Context, rec source.Record, out *transform.Output) error {
	if !rec.Valid && !json.Valid(rec.Data) {
		return fault.Corruptf("redact %s: not valid JSON", string(r))
	}
	out.SetBuffer(r.append(out.Buffer(), gjson.ParseBytes(rec.Data)))
	out.End()
	return nil
}

// EmitsJSON says that the outputs need no further check: what went in as JSON
// comes out as JSON.
func (r Redact) EmitsJSON() bool { return true }

// append appends value, redacted, to dst.
func (r Redact) append(dst []byte, value gjson.Result) []byte {
	if !value.IsObject() && !value.IsArray() {
		return append(dst, value.Raw...)
	}
	first, last := value.Raw[0], value.Raw[len(value.Raw)-1]
	dst = append(dst, first)
	n := len(dst)
	value.ForEach(func(key, member gjson.Result) bool {
		if len(dst) > n {
			dst = append(dst, ',')
		}
		if value.IsObject() {
			dst = append(append(dst, key.Raw...), ':')
			if key.Str == string(r) {
				dst = append(dst, mask...)
				return true
			}
		}
		dst = r.append(dst, member)
		return true
	})
	return append(dst, last)
}
