package transform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Projection turns each record into one JSON object of chosen fields, in the
// order in which they were given. Make one with [Project] or [ProjectFields].
//
// A value is found as by gjson.GetBytes and kept byte for byte: numbers are
// not rounded, and of duplicate names the first counts. Where a record is no
// JSON object a path means what it means to gjson ("#", "0.id"), and fields
// are missing otherwise.
//
// Each record is validated to its end, whatever is taken from it. Accepted is
// exactly what encoding/json accepts, up to MaxDepth, if it is valid UTF-8;
// anything else is corrupt. Escaped surrogates need not form pairs, as there.
//
// Paths of names, element numbers and "#" cost one pass over the record for
// all of them, and no allocations. Any other path costs a search of its own;
// with the modifier @fromstr it takes records of up to 1 MiB only.
type Projection struct {
	// MaxDepth is how deep arrays and objects of a record may nest. Defaults
	// to 10,000, as in encoding/json. Set it before first use.
	MaxDepth int
	// UTF8 says what becomes of a record with invalid UTF-8. Defaults to
	// [RejectUTF8]. Set it before first use.
	UTF8 UTF8

	fields []projected
	root   *node   // of the paths that are taken in one pass; nil if there are none
	nodes  []*node // below root
}

// projected is a [Field], made ready.
type projected struct {
	Field
	label  string // `,"name":`
	search bool   // the path is left to gjson
}

var (
	_ Prefixer  = (*Projection)(nil)
	_ EmitsJSON = (*Projection)(nil)
	_ validator = (*Projection)(nil)
)

// Project returns a projection to the given fields, each written "name=path"
// or "path" as for [ParseFields], but one at a time: commas mean nothing. All
// mistakes are reported at once.
func Project(fields ...string) (*Projection, error) {
	parsed, err := parseSpecs(fields)
	if err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	return ProjectFields(parsed)
}

// MustProject is [Project] for fields known to be right. It panics if they are
// not.
func MustProject(fields ...string) *Projection {
	p, err := Project(fields...)
	if err != nil {
		panic(err)
	}
	return p
}

// ProjectFields returns a projection to the given fields. All mistakes are
// reported at once.
func ProjectFields(fields []Field) (*Projection, error) {
	mistakes := make([]error, len(fields))
	checkFields(fields, mistakes)
	if len(fields) == 0 {
		mistakes = append(mistakes, errors.New("no fields"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	p := &Projection{}
	for i, f := range fields {
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, fmt.Errorf("project: field %d: %w", i+1, err)
		}
		parts, plain := plainPath(f.Path)
		if plain {
			if p.root == nil {
				p.root = newNode(part{index: -1})
				p.root.tree = new(jsonscan.Tree)
			}
			p.add(p.root, parts, i)
		}
		p.fields = append(p.fields, projected{Field: f, label: "," + string(name) + ":", search: !plain})
	}
	if p.root != nil {
		p.root.walkThrough()
	}
	return p, nil
}

// EmitsJSON reports true.
func (p *Projection) EmitsJSON() bool { return true }

func (p *Projection) validates() {}

// Apply implements [Transform].
func (p *Projection) Apply(_ context.Context, rec source.Record, out *Output) error {
	w := walks.Get().(*walk)
	defer w.free()

	data, maxDepth := trimSpace(rec.Data), orDefault(p.MaxDepth)
	end := w.run(p, data, maxDepth)
	if end == len(data) && w.badUTF8 {
		if p.UTF8 != ReplaceUTF8 {
			return fmt.Errorf("project: %w", errUTF8)
		}
		w.mended = appendUTF8(w.mended[:0], data)
		data = w.mended
		end = w.run(p, data, maxDepth)
	}
	if end != len(data) {
		return fmt.Errorf("project: %w", validJSON(data, maxDepth))
	}
	return p.write(w, out)
}

// ApplyPrefix implements [Prefixer].
func (p *Projection) ApplyPrefix(_ context.Context, _ source.Record, data []byte, maxDepth int, out *Output) (n int, ok bool, err error) {
	w := walks.Get().(*walk)
	defer w.free()

	n = w.run(p, data, min(maxDepth, orDefault(p.MaxDepth)))
	if n < 0 || w.badUTF8 || mayGoOn(data, n) {
		return 0, false, nil
	}
	w.data = data[:n]
	return n, true, p.write(w, out)
}

// write writes the fields that w found as one object.
func (p *Projection) write(w *walk, out *Output) error {
	mark := out.Mark()
	dst := out.Buffer()
	for i := range p.fields {
		f := &p.fields[i]
		length := len(dst)
		dst = append(dst, f.label...)
		var ok bool
		var err error
		if f.search || w.exotic {
			dst, ok, err = search(dst, w.data, f.Path)
		} else {
			dst, ok = w.appendField(dst, i)
		}
		switch {
		case err != nil:
			out.Rollback(mark)
			return fmt.Errorf("project field %q: %w", f.Name, err)
		case ok:
		case f.Missing == MissingOmit:
			dst = dst[:length]
		case f.Missing == MissingNull:
			dst = append(dst, "null"...)
		default:
			out.Rollback(mark)
			return fault.Corruptf("project: field %q is missing", f.Name)
		}
	}
	if len(dst) == 0 {
		dst = append(dst, ',')
	}
	dst[0] = '{' // in place of the first comma
	out.SetBuffer(append(dst, '}'))
	out.End()
	return nil
}

// maxFromStr is the longest record, in bytes, for paths with the modifier
// @fromstr. gjson recurses, unlimited, over what such a path takes out of a
// string, and a stack overflow would end the process.
const maxFromStr = 1 << 20

// search appends what gjson finds in data, which is valid.
func search(dst, data []byte, path string) (_ []byte, ok bool, err error) {
	if len(data) > maxFromStr && strings.Contains(path, "@fromstr") {
		return dst, false, fault.Corruptf("record of more than %d bytes for @fromstr", maxFromStr)
	}
	res := gjson.GetBytes(data, path)
	if !res.Exists() || res.Raw == "" {
		return dst, false, nil
	}
	from := len(dst)
	dst = append(dst, res.Raw...)
	// Literals and modifiers can give what is no JSON.
	if err := jsonscan.Valid(dst[from:], jsonscan.MaxDepth); err != nil {
		return dst, false, fault.Corruptf("path gives no JSON: %w", err)
	}
	if !utf8.Valid(dst[from:]) {
		return dst, false, errUTF8
	}
	return dst, true, nil
}
