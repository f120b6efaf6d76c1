package decompress

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// codec is a format of compression.
type codec uint8

const (
	plain codec = iota
	gzipped
	zstandard
	bzipped
	xzipped
	numCodecs
)

// String returns the name of the format.
func (c codec) String() string {
	return [numCodecs]string{"", "gzip", "zstd", "bzip2", "xz"}[c]
}

// headBytes is how much of an object is looked at to see what it is.
const headBytes = 512

// named returns the format that a key ends in.
func named(key string) codec {
	dot := strings.LastIndexByte(key, '.')
	if dot < 0 {
		return plain
	}
	switch strings.ToLower(key[dot:]) {
	case ".gz":
		return gzipped
	case ".zst":
		return zstandard
	case ".bz2":
		return bzipped
	case ".xz":
		return xzipped
	}
	return plain
}

// codec returns the format of an object that begins with head, all of it where
// it is shorter than headBytes.
func (d Detect) codec(key string, head []byte) codec {
	name := plain
	if d != DetectMagic {
		name = named(key)
	}
	if d == DetectName || name != plain && begins(name, head) {
		return name
	}
	if c := magic(head); c != plain {
		return c
	}
	if text(head) {
		return plain
	}
	return name
}

// begins reports whether head is, as far as it goes, how an object of format c
// begins. Where the name says the format it takes no more than that.
func begins(c codec, head []byte) bool {
	var start string
	switch c {
	case gzipped:
		start = "\x1f\x8b"
	case zstandard:
		if len(head) > 0 && head[0]&0xf0 == 0x50 { // a frame to be skipped
			head, start = head[1:], "\x2a\x4d\x18"
			break
		}
		start = "\x28\xb5\x2f\xfd"
	case bzipped:
		start = "BZh"
	case xzipped:
		start = "\xfd7zXZ\x00"
	}
	n := min(len(head), len(start))
	return string(head[:n]) == start[:n]
}

// The magic numbers of a block of bzip2, and of the end of an empty object.
var (
	bzip2Block = []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}
	bzip2End   = []byte{0x17, 0x72, 0x45, 0x38, 0x50, 0x90}
)

// magic returns the format that the first bytes of an object tell. It takes
// nothing for one that could be text: of gzip the method, of bzip2 the first
// block is part of it.
func magic(head []byte) codec {
	switch {
	case len(head) >= 4 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8 && head[3]&0xe0 == 0:
		return gzipped
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return zstandard
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return xzipped
	case len(head) >= 10 && string(head[:3]) == "BZh" && '1' <= head[3] && head[3] <= '9' &&
		(bytes.Equal(head[4:10], bzip2Block) || bytes.Equal(head[4:10], bzip2End)):
		return bzipped
	}
	return plain
}

// text reports whether head is the beginning of a text in UTF-8.
func text(head []byte) bool {
	if len(head) == 0 {
		return false
	}
	cut := len(head) == headBytes
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		switch {
		case r == utf8.RuneError && n == 1:
			return cut && !utf8.FullRune(head)
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f', r == 0x7f:
			return false
		}
		head = head[n:]
	}
	return true
}
