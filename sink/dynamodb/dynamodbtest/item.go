package dynamodbtest

import "encoding/binary"

// item is an item as it is stored: its attributes in one string, which costs a
// fraction of the memory that attrs take. Equal items are equal strings. The empty
// string is no item. What stream records show is the same strings.
type item string

// pack stores attributes. Nothing of a request is held on to.
func pack(a attrs) item { return item(appendAttrs(make([]byte, 0, 512), a)) }

func appendAttrs(b []byte, a attrs) []byte {
	b = binary.AppendUvarint(b, uint64(len(a)))
	for i := range a {
		b = appendText(b, a[i].name)
		b = appendValue(b, &a[i].value)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v *value) []byte {
	b = append(b, byte(v.kind))
	switch v.kind {
	case kindBool:
		if v.truth {
			return append(b, 1)
		}
		return append(b, 0)
	case kindNull:
		return b
	case kindM:
		return appendAttrs(b, v.attrs)
	case kindL, kindSS, kindNS, kindBS:
		b = binary.AppendUvarint(b, uint64(len(v.elems)))
		for i := range v.elems {
			b = appendValue(b, &v.elems[i])
		}
		return b
	default:
		return appendText(b, v.text)
	}
}

// attrs unpacks an item. What it returns is part of the item's string.
func (i item) attrs() attrs {
	if i == "" {
		return nil
	}
	u := unpacker{string(i)}
	return u.attrs()
}

// size is the size of an item as DynamoDB counts it, 0 for none. It is that of
// attrs, and unpacks nothing.
func (i item) size() int {
	if i == "" {
		return 0
	}
	u := unpacker{string(i)}
	n, _ := u.attrsSize()
	return n
}

// unpacker reads what pack wrote.
type unpacker struct{ rest string }

func (u *unpacker) number() int {
	n, shift := 0, 0
	for i := 0; ; i++ {
		c := u.rest[i]
		n |= int(c&0x7F) << shift
		if c < 0x80 {
			u.rest = u.rest[i+1:]
			return n
		}
		shift += 7
	}
}

func (u *unpacker) text() string {
	n := u.number()
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) attrs() attrs {
	out := make(attrs, u.number())
	for i := range out {
		out[i].name = u.text()
		u.value(&out[i].value)
	}
	return out
}

func (u *unpacker) value(v *value) {
	v.kind = kind(u.rest[0])
	u.rest = u.rest[1:]
	switch v.kind {
	case kindBool:
		v.truth = u.rest[0] == 1
		u.rest = u.rest[1:]
	case kindNull:
	case kindM:
		v.attrs = u.attrs()
	case kindL, kindSS, kindNS, kindBS:
		v.elems = make([]value, u.number())
		for i := range v.elems {
			u.value(&v.elems[i])
		}
	default:
		v.text = u.text()
	}
}

// attrsSize passes over attributes, and returns their size and number.
func (u *unpacker) attrsSize() (size, n int) {
	n = u.number()
	for range n {
		size += len(u.text()) + u.valueSize()
	}
	return size, n
}

func (u *unpacker) valueSize() int {
	k := kind(u.rest[0])
	u.rest = u.rest[1:]
	switch k {
	case kindBool:
		u.rest = u.rest[1:]
		return 1
	case kindNull:
		return 1
	case kindM:
		size, n := u.attrsSize()
		return containerLen + n + size
	case kindL, kindSS, kindNS, kindBS:
		n := u.number()
		size := 0
		if k == kindL {
			size = containerLen + n
		}
		for range n {
			size += u.valueSize()
		}
		return size
	case kindN:
		return numberSize(u.text())
	default:
		return len(u.text())
	}
}
