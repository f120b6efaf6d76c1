package redrive

import (
	"bytes"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// Filter chooses letters: those for which everything holds that is given.
type Filter struct {
	// Reason is in the reason.
	Reason string
	// Class is the name of the class, such as "corrupt".
	Class string
	// Object is what the key of the object begins with.
	Object string
	// Record is the id of the record, as [processor.RecordID] makes it. A message is
	// that whose body holds it.
	Record string
	// Since and Before bound the time: not before the one, and before the other.
	Since, Before time.Time
	// Fields have these values in the JSON. Of a message with an array, or lines, of
	// records it is enough that one record has them all.
	Fields []Field
}

// Field is a value in JSON.
type Field struct {
	Path  string // as in gjson
	Value string // of a string its content, of anything else its JSON
}

func (f *Filter) match(l *Letter) bool {
	switch {
	case !strings.Contains(l.Reason, f.Reason),
		f.Class != "" && f.Class != l.Class,
		!strings.HasPrefix(l.Object, f.Object),
		!f.Since.IsZero() && l.Time.Before(f.Since),
		!f.Before.IsZero() && !l.Time.Before(f.Before):
		return false
	case f.Record != "" && l.RecordID() != f.Record && !(l.queued() && holdsID(string(l.Data), f.Record)):
		return false
	}
	return len(f.Fields) == 0 || f.matchFields(l)
}

// matchFields looks at the records that the letter holds.
func (f *Filter) matchFields(l *Letter) bool {
	if l.Stage != StageMessage {
		return isJSON(l.Data) && f.matchRecord(gjson.ParseBytes(l.Data))
	}
	found := false
	look := func(v gjson.Result) bool {
		if v.IsArray() {
			for _, element := range v.Array() {
				found = found || f.matchRecord(element)
			}
			return !found
		}
		found = f.matchRecord(v)
		return !found
	}
	for line := range bytes.Lines(l.Data) {
		if isJSON(line) && !look(gjson.ParseBytes(line)) {
			return true
		}
	}
	if isJSON(l.Data) { // over several lines
		look(gjson.ParseBytes(l.Data))
	}
	return found
}

// maxDepth bounds how deep JSON may be nested: gjson itself takes what no stack can
// hold.
const maxDepth = 10_000

func isJSON(data []byte) bool { return jsonscan.Valid(data, maxDepth) == nil }

func (f *Filter) matchRecord(v gjson.Result) bool {
	for _, field := range f.Fields {
		got := v.Get(field.Path)
		if !got.Exists() || got.String() != field.Value {
			return false
		}
	}
	return true
}

// holdsID reports whether text holds a record's id as a whole: that of offset 2 is
// not in that of offset 20, nor in that of a further output.
func holdsID(text, id string) bool {
	for {
		i := strings.Index(text, id)
		if i < 0 {
			return false
		}
		text = text[i+len(id):]
		if text == "" || text[0] != '.' && (text[0] < '0' || text[0] > '9') {
			return true
		}
	}
}
