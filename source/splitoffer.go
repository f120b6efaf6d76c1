package source

import (
	"bytes"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// offer is what AtValue found, for Took.
type offer struct {
	made       bool
	exact      bool // the value has to be all of data[start:end]
	start, end int
	next       int // where the next thing begins after an exact value
	pre        int
	place      place
}

// AtValue is for a caller that can find the end of a JSON value, and whether it
// is valid, by itself. If the next thing is likely to be a record, ok is true,
// and the record starts at data[start] and ends at or before data[end]; the
// caller may then
//
//   - call [Splitter.Took] with the length of the valid value it found there
//     instead of calling Next, or
//   - call Next with the same arguments, which nothing was changed for.
//
// Both give the same token. If ok is false the caller calls Next.
func (s *Splitter) AtValue(data []byte, atEOF bool) (start, end int, ok bool) {
	o := offer{place: s.place}
	if s.place == placeStart {
		n, res := s.skipPreamble(data, atEOF)
		if res != preambleFound {
			return 0, 0, false
		}
		o.place, o.pre = placeTop, n
	}
	switch {
	case s.cfg.Raw || o.place == placeCorrupt || o.place == placeDone:
		return 0, 0, false
	case s.cfg.Format == FormatAuto:
		o.made = s.offerValue(&o, data, atEOF)
	case s.path != nil:
		return 0, 0, false
	case s.cfg.Format == FormatLines:
		o.made = s.offerLine(&o, data, atEOF)
	default:
		o.start = jsonscan.SkipSpace(data, o.pre)
		o.end = trimAll(data, o.start, len(data))
		o.next, o.exact, o.made = len(data), true, atEOF && o.start < o.end
	}
	if o.made && o.exact && o.end-o.start > s.cfg.MaxRecordBytes {
		o.made = false
	}
	s.offer = o
	return o.start, o.end, o.made
}

// offerValue looks for a value in brackets, whose end needs no look at what
// follows it.
func (s *Splitter) offerValue(o *offer, data []byte, atEOF bool) bool {
	switch o.place {
	case placeWrapper, placeLeaf:
		return false
	}
	i, p := s.punctuation(data, o.pre, o.place)
	switch p {
	case placeNext, placeRecNext, placeWrapper:
		return false
	case placeTop, placeOpen, placeComma:
		if s.path != nil {
			return false
		}
	}
	if i == len(data) || !bracketed(data[i]) || s.wait > len(data)-i && !atEOF {
		return false
	}
	o.start, o.end, o.place = i, min(len(data), i+s.cfg.MaxRecordBytes), p
	return true
}

func (s *Splitter) offerLine(o *offer, data []byte, atEOF bool) (ok bool) {
	o.exact = true
	o.start, o.end, o.next, ok = s.findNextLine(data, o.pre, atEOF)
	return ok
}

// Took tells that the caller found that n bytes from the start that AtValue
// returned are one valid JSON value, nested no deeper than the limit. It
// returns the token that Next would have given. ok is false, and nothing
// changed, if the value is not the whole record: the line or object goes on
// after it, which makes it corrupt, as Next will tell. data must not have
// changed in between.
func (s *Splitter) Took(n int) (t Token, ok bool) {
	o := s.offer
	if !o.made || n <= 0 || n > o.end-o.start || o.exact && n < o.end-o.start {
		return Token{}, false
	}
	s.offer = offer{}
	s.place = o.place.after()
	t = s.record(o.start, o.start+n, o.start+n)
	if o.exact {
		t.Advance = o.next
	}
	t.Preamble = o.pre
	s.off += int64(t.Advance)
	return t, true
}

// TakeLines uses up the whole lines at the start of data and returns their
// length: another splitter with the same configuration, resumed here (see
// [Splitter.State]), gives for them the tokens that Next would have given. It
// returns 0, and changes nothing, if there is no whole line or lines are not
// what records are cut at in this place; the caller then calls Next.
func (s *Splitter) TakeLines(data []byte, atEOF bool) int {
	if s.cfg.Format != FormatLines || s.path != nil {
		return 0
	}
	if s.place != placeTop && (s.place != placeStart || s.cfg.Preamble != nil) {
		return 0
	}
	n := len(data)
	if !atEOF {
		n = bytes.LastIndexByte(data, '\n') + 1
	}
	if n == 0 {
		return 0
	}
	s.place, s.wait, s.offer = placeTop, 0, offer{}
	s.off += int64(n)
	return n
}
