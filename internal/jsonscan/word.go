package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Text is looked at in words of up to eight bytes, the first byte lowest.
//
// The loads below do not check that what they load lies inside of the text:
// their callers have, once for several loads. The compiler would do so for
// each, at the cost of what is done with a word.

// text is where the first byte of a text lies.
type text unsafe.Pointer

func textOf(data []byte) text { return text(unsafe.SliceData(data)) }

func load1(t text, i int) byte { return *(*byte)(unsafe.Add(unsafe.Pointer(t), i)) }

func load2(t text, i int) uint16 {
	return binary.LittleEndian.Uint16((*[2]byte)(unsafe.Add(unsafe.Pointer(t), i))[:])
}

func load4(t text, i int) uint32 {
	return binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(unsafe.Pointer(t), i))[:])
}

func load8(t text, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(t), i))[:])
}

// lastWord returns the bytes of data from i on where less than eight are left.
// Those beyond the end are 0, which is nothing that JSON can hold: what looks
// at words need not look out for the end.
//
//go:noinline
func lastWord(data []byte, i int) uint64 {
	if n := len(data); n >= 8 && i < n {
		return load8(textOf(data), n-8) >> (8 * uint(i+8-n))
	}
	var x uint64
	for n := len(data) - 1; n >= i; n-- {
		x = x<<8 | uint64(data[n])
	}
	return x
}

const (
	ones  = 0x0101010101010101
	lows  = 0x7f7f7f7f7f7f7f7f
	highs = 0x8080808080808080
)

// special returns a word whose lowest set bit is in the first byte of x that
// wants a closer look inside a string: a quote, a backslash, a control
// character, or a byte that is not ASCII. It is 0 if there is none.
//
// Subtracting n from each byte sets the high bit of those below n; a borrow
// starts at such a byte, so bits above the lowest may lie, the lowest cannot.
// Flipping bit 1 puts the quote (0x22 to 0x20) next to the control characters
// and what was next to them (0x20, 0x21) out of the way.
func special(x uint64) uint64 {
	return (((x ^ 0x02*ones) - 0x21*ones) | ((x ^ '\\'*ones) - ones) | x) & highs
}

// equal returns a word with the high bit set of just those bytes of x that
// are c, which is ASCII.
func equal(x uint64, c byte) uint64 {
	x ^= uint64(c) * ones
	return ^((x&lows + lows) | x) & highs
}

// first returns the index of the first byte that has its high bit set in m, or
// 8 if there is none.
func first(m uint64) int { return bits.TrailingZeros64(m) >> 3 }

// leadingDigits returns how many of the bytes of x are digits before the first
// that is none.
//
// A digit less '0' is below 10, so adding 6 leaves its high nibble 0. A carry
// into the next byte starts at a byte that is no digit.
func leadingDigits(x uint64) int {
	x ^= '0' * ones
	return bits.TrailingZeros64(((x+6*ones)|x)&(0xf0*ones)) >> 3
}
