package transform

import (
	"context"
	"strconv"
	"strings"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Origin is a [Transform] that adds to each record where it comes from, so that
// whoever meets it later can tell: in front of its members, the key of its object
// and its offset there. Members of those names that are there already stay, behind
// them: choose names of their own. A record that is no JSON object is corrupt.
//
// Put it last into a [Chain]. Where only the identity of a record is wanted, the
// RecordID of a processor's Config is that.
type Origin struct {
	// Object and Offset name the members: a string, whose bytes that are not UTF-8
	// are replaced, and a number. One that is empty is left out.
	Object, Offset string
}

var (
	_ Transform = Origin{}
	_ EmitsJSON = Origin{}
)

// Apply implements [Transform].
func (t Origin) Apply(_ context.Context, rec source.Record, out *Output) error {
	first := jsonscan.SkipSpace(rec.Data, 0)
	if first == len(rec.Data) || rec.Data[first] != '{' {
		return fault.Corruptf("it is no JSON object")
	}
	rest := rec.Data[jsonscan.SkipSpace(rec.Data, first+1):]
	b := append(out.Buffer(), '{')
	if t.Object != "" {
		key := ""
		if rec.Object != nil {
			key = rec.Object.Key
		}
		b = appendName(b, t.Object)
		b = append(appendText(b, key), ',')
	}
	if t.Offset != "" {
		b = appendName(b, t.Offset)
		b = append(strconv.AppendInt(b, rec.Offset, 10), ',')
	}
	if len(rest) > 0 && rest[0] == '}' && b[len(b)-1] == ',' { // it has no members
		b = b[:len(b)-1]
	}
	out.SetBuffer(append(b, rest...))
	out.End()
	return nil
}

func appendName(dst []byte, name string) []byte { return append(appendText(dst, name), ':') }

func appendText(dst []byte, text string) []byte {
	return jsonscan.AppendString(dst, strings.ToValidUTF8(text, "\ufffd"))
}

// EmitsJSON reports true.
func (t Origin) EmitsJSON() bool { return true }
