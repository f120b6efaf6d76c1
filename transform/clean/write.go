package clean

import "github.com/unspool-go/unspool/internal/jsonscan"

// append appends the row as it is now. Fields that are side by side as they
// stood in the record are copied in one go.
func (w *row) append(dst []byte) []byte {
	start := len(dst)
	for i := 0; i < len(w.fields); {
		c, f := &w.rows.columns[i], &w.fields[i]
		i++
		if f.to == 0 {
			dst = appendField(append(dst, c.key...), f, c.raw)
			continue
		}
		to := f.to
		for i < len(w.fields) && w.fields[i].from == to+len(",") {
			to = w.fields[i].to
			i++
		}
		dst = append(append(dst, ','), w.data[f.from:to]...)
	}
	for i := range w.others {
		o := &w.others[i]
		dst = append(dst, ',')
		dst = append(dst, o.key...)
		dst = append(dst, ':')
		dst = appendField(dst, &o.field, o.raw)
	}
	dst[start] = '{' // in the place of the first comma
	return append(dst, '}')
}

// appendKey appends the name of a member, as it is written behind another one.
func appendKey(dst []byte, name string) []byte {
	return append(jsonscan.AppendString(append(dst, ','), name), ':')
}

func appendField(dst []byte, f *field, raw bool) []byte {
	switch {
	case f.text == nil:
		return append(dst, "null"...)
	case raw:
		return append(dst, f.text...)
	case f.has&escapes == 0:
		return append(append(append(dst, '"'), f.text...), '"')
	default:
		return jsonscan.AppendString(dst, f.text)
	}
}
