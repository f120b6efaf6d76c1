package destination

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// Envelope is one line of a part: a record with its origin and what happened.
//
// The line is a JSON object whose first member is "unspool":1, which tells it
// from a user's record, followed by the members below in this order, so that
// the data can be streamed last. Object and Version are written as "object64"
// and "version64", in base64, where they are not valid UTF-8, as file names may
// be.
type Envelope struct {
	Object  string // "object", the true key, whatever the part is called
	Version string // "version", omitted if empty
	Offset  int64  // "offset"
	Index   int    // "index" of the output value, with Stage "sink"; omitted if 0
	Attempt int    // "attempt", omitted if 0
	Class   string // "class", the name of a fault.Class
	Reason  string // "reason", no payload; made valid UTF-8
	Time    time.Time
	// Stage says what Data is: "" an input record, "sink" an output value that
	// the sink refused, "ticket" nothing: the record starts at Offset of the
	// object and reaches to its end, and is read from there again.
	Stage string // "stage", omitted if empty
	// Data is the record: "data" where it is text, "data64" (base64) where it
	// is not, or holds many control characters; omitted if empty.
	Data []byte
}

// maxEscape is how many times as long data may be in a line: three times as parts were
// once written, twice as they are now.
const maxEscape = 3

// marker opens every envelope. Its number is the version of the format.
const marker = `{"unspool":1,`

// Append appends the envelope as one line, newline included. Of Time, years
// outside 0 to 9999 have no form in JSON: the zero time is written.
func (e *Envelope) Append(dst []byte) []byte {
	dst = e.appendHeader(dst)
	switch {
	case len(e.Data) == 0:
	case isText(e.Data):
		dst = append(dst, `,"data":`...)
		dst = jsonscan.AppendString(dst, e.Data)
	default:
		dst = append(dst, `,"data64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, e.Data)
		dst = append(dst, '"')
	}
	return append(dst, "}\n"...)
}

// Stream writes the envelope with the data of r in place of Data, as data64, in
// bounded memory. It returns how many bytes of data there were. After an error,
// of w or of r and passed on as it is, the line is torn: the part must be
// aborted.
func (e *Envelope) Stream(w io.Writer, r io.Reader) (n int64, err error) {
	if _, err := w.Write(append(e.appendHeader(nil), `,"data64":"`...)); err != nil {
		return 0, err
	}
	encoder := base64.NewEncoder(base64.StdEncoding, w)
	if n, err = io.Copy(encoder, r); err != nil {
		return n, err
	}
	if err := encoder.Close(); err != nil {
		return n, err
	}
	_, err = io.WriteString(w, "\"}\n")
	return n, err
}

// appendHeader appends the line up to the data.
func (e *Envelope) appendHeader(dst []byte) []byte {
	dst = append(dst, marker[:len(marker)-1]...)
	dst = appendText(dst, "object", e.Object)
	if e.Version != "" {
		dst = appendText(dst, "version", e.Version)
	}
	dst = strconv.AppendInt(append(dst, `,"offset":`...), e.Offset, 10)
	if e.Index != 0 {
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(e.Index), 10)
	}
	if e.Attempt != 0 {
		dst = strconv.AppendInt(append(dst, `,"attempt":`...), int64(e.Attempt), 10)
	}
	dst = append(dst, `,"class":`...)
	dst = jsonscan.AppendString(dst, strings.ToValidUTF8(e.Class, "\ufffd"))
	dst = append(dst, `,"reason":`...)
	dst = jsonscan.AppendString(dst, strings.ToValidUTF8(e.Reason, "\ufffd"))
	t := e.Time.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		t = time.Time{}
	}
	dst = append(dst, `,"time":"`...)
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, '"')
	if e.Stage != "" {
		dst = append(dst, `,"stage":`...)
		dst = jsonscan.AppendString(dst, strings.ToValidUTF8(e.Stage, "\ufffd"))
	}
	return dst
}

// appendText appends a member that keeps any bytes.
func appendText(dst []byte, name, value string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	if utf8.ValidString(value) {
		dst = append(dst, `":`...)
		return jsonscan.AppendString(dst, value)
	}
	dst = append(dst, `64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(value))
	return append(dst, '"')
}

// isText reports whether data is written as a string: it is valid UTF-8, and
// escaped it is at most twice as long, which bounds the line that a reader has to
// take. A quote doubles, a control character takes six bytes.
func isText(data []byte) bool {
	more := 0
	for _, c := range data {
		switch {
		case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
			more++
		case c < ' ':
			more += 5
		}
	}
	return more <= len(data) && utf8.Valid(data)
}

// line is an envelope as encoding/json reads it.
type line struct {
	Unspool   int        `json:"unspool"`
	Object    *string    `json:"object"`
	Object64  []byte     `json:"object64"`
	Version   string     `json:"version"`
	Version64 []byte     `json:"version64"`
	Offset    *int64     `json:"offset"`
	Index     int        `json:"index"`
	Attempt   int        `json:"attempt"`
	Class     *string    `json:"class"`
	Reason    string     `json:"reason"`
	Time      *time.Time `json:"time"`
	Stage     string     `json:"stage"`
	Data      *string    `json:"data"`
	Data64    []byte     `json:"data64"`
}

// ParseEnvelope reads one line, with or without its newline. ok is false where
// it is not a whole envelope: it is then to be treated as a raw record. White
// space that a tool put between the members does no harm; a missing or unknown
// member does. Data is a copy.
func ParseEnvelope(text []byte) (e Envelope, ok bool) {
	if !hasMarker(text) {
		return Envelope{}, false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var l line
	if err := decoder.Decode(&l); err != nil || l.Unspool != 1 {
		return Envelope{}, false
	}
	if len(bytes.TrimSpace(text[decoder.InputOffset():])) > 0 {
		return Envelope{}, false
	}
	if l.Offset == nil || l.Class == nil || l.Time == nil || (l.Object == nil) == (l.Object64 == nil) {
		return Envelope{}, false
	}
	e = Envelope{
		Version: l.Version, Offset: *l.Offset, Index: l.Index, Attempt: l.Attempt,
		Class: *l.Class, Reason: l.Reason, Time: *l.Time, Stage: l.Stage,
	}
	if l.Object != nil {
		e.Object = *l.Object
	} else {
		e.Object = string(l.Object64)
	}
	if l.Version64 != nil {
		e.Version = string(l.Version64)
	}
	if l.Data != nil {
		e.Data = []byte(*l.Data)
	} else {
		e.Data = l.Data64
	}
	return e, true
}

// hasMarker reports whether text opens like an envelope, white space aside. It
// spares a user's own records the slow way.
func hasMarker(text []byte) bool {
	for _, c := range []byte(marker) {
		text = bytes.TrimLeft(text, " \t\r\n")
		if len(text) == 0 || text[0] != c {
			return false
		}
		text = text[1:]
	}
	return true
}
