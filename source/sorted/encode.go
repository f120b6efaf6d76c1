package sorted

import (
	"bytes"
	"encoding/binary"
	"time"
)

// The first byte of a field in a key says where it stands. Those without a value
// do not turn round where a key is descending.
const (
	markMissingFirst = 1 + iota
	markInvalidFirst
	markValue
	markInvalidLast
	markMissingLast
)

func (k *keyer) appendField(dst []byte, f field, key *Key) []byte {
	if f.state == present {
		at := len(dst)
		dst = append(dst, markValue)
		var ok bool
		switch key.Type {
		case Number:
			dst, ok = appendNumber(dst, f.text)
		case Time:
			dst, ok = appendTime(dst, f.text, key.Layout)
		default:
			dst, ok = appendText(dst, f.text), true
		}
		if ok {
			if key.Descending {
				invert(dst[at+1:])
			}
			return dst
		}
		dst = dst[:at]
	}
	switch {
	case f.state == missing && k.cfg.Missing == First:
		return append(dst, markMissingFirst)
	case f.state == missing:
		return append(dst, markMissingLast)
	case k.cfg.Invalid == First:
		return append(dst, markInvalidFirst)
	}
	return append(dst, markInvalidLast)
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// appendText appends text so that it compares byte by byte and none is the
// beginning of another: a zero byte is followed by 0xff, and the end is 0, 0.
func appendText(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, 0)
		if i < 0 {
			dst = append(dst, text...)
			return append(dst, 0, 0)
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, 0, 0xff)
		text = text[i+1:]
	}
}

// appendTime appends a time: seconds and nanoseconds.
func appendTime(dst, text []byte, layout string) ([]byte, bool) {
	t, err := time.Parse(layout, string(text))
	if err != nil {
		return dst, false
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond())), true
}
