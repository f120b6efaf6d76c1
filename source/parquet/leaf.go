package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/unspool-go/unspool/internal/decoder"
	"github.com/unspool-go/unspool/internal/jsonscan"
)

// shown is what the values of a column become.
type shown uint8

const (
	asBytes shown = iota
	asBool
	asInt
	asUint
	asFloat
	asDouble
	asHalf
	asDecimal
	asString
	asJSON
	asUUID
	asDate
	asTime
	asStamp
	asInt96
)

// leaf is the type of a column.
type leaf struct {
	typ    format.Type
	width  int // bytes of a value, where all have as many
	show   shown
	scale  int           // of a decimal
	unit   time.Duration // of times
	utc    bool
	bits   uint8 // of an unsigned number
	repair bool  // what is not UTF-8
}

// text reports whether the values are strings.
func (l leaf) text() bool { return l.typ == format.ByteArray && l.show == asString }

const (
	mostWidth = 1 << 20 // of values of fixed length
	mostScale = 1 << 10 // of decimals
)

var errLeaf = errors.New("column is of a type that is not known")

func newLeaf(e *format.SchemaElement, cfg *Config) (leaf, error) {
	l := leaf{typ: e.Type.V, repair: cfg.UTF8 == ReplaceUTF8}
	switch l.typ {
	case format.Boolean:
		l.show = asBool
	case format.Int32:
		l.show, l.width = asInt, 4
	case format.Int64:
		l.show, l.width = asInt, 8
	case format.Int96:
		l.show, l.width = asInt96, 12
	case format.Float:
		l.show, l.width = asFloat, 4
	case format.Double:
		l.show, l.width = asDouble, 8
	case format.ByteArray:
		if cfg.BinaryAsString {
			l.show = asString
		}
	case format.FixedLenByteArray:
		n, _ := e.TypeLength.Get()
		if n <= 0 || n > mostWidth {
			return l, errLeaf
		}
		l.width = int(n)
	default:
		return l, errLeaf
	}
	l.convert(e)
	l.annotate(e)
	if l.scale < 0 || l.scale > mostScale {
		return l, errLeaf
	}
	return l, nil
}

func (l leaf) integer() bool { return l.typ == format.Int32 || l.typ == format.Int64 }

// convert takes what old writers tell of a type.
func (l *leaf) convert(e *format.SchemaElement) {
	c, ok := e.ConvertedType.Get()
	if !ok {
		return
	}
	bytes := l.typ == format.ByteArray
	switch {
	case bytes && (c == deprecated.UTF8 || c == deprecated.Enum):
		l.show = asString
	case bytes && c == deprecated.Json:
		l.show = asJSON
	case c == deprecated.Decimal && (l.integer() || bytes || l.typ == format.FixedLenByteArray):
		scale, _ := e.Scale.Get()
		l.show, l.scale = asDecimal, int(scale)
	case !l.integer():
	case c == deprecated.Date:
		l.show = asDate
	case c == deprecated.TimeMillis, c == deprecated.TimeMicros:
		l.show, l.utc, l.unit = asTime, true, time.Millisecond
		if c == deprecated.TimeMicros {
			l.unit = time.Microsecond
		}
	case c == deprecated.TimestampMillis, c == deprecated.TimestampMicros:
		l.show, l.utc, l.unit = asStamp, true, time.Millisecond
		if c == deprecated.TimestampMicros {
			l.unit = time.Microsecond
		}
	case deprecated.Uint8 <= c && c <= deprecated.Uint64:
		l.show, l.bits = asUint, 8<<(c-deprecated.Uint8)
	}
}

// annotate takes what new writers tell of a type.
func (l *leaf) annotate(e *format.SchemaElement) {
	bytes := l.typ == format.ByteArray
	switch t := e.LogicalType.Value.(type) {
	case *format.StringType, *format.EnumType:
		if bytes {
			l.show = asString
		}
	case *format.JsonType:
		if bytes {
			l.show = asJSON
		}
	case *format.UUIDType:
		if l.typ == format.FixedLenByteArray && l.width == 16 {
			l.show = asUUID
		}
	case *format.Float16Type:
		if l.typ == format.FixedLenByteArray && l.width == 2 {
			l.show = asHalf
		}
	case *format.DecimalType:
		if l.integer() || bytes || l.typ == format.FixedLenByteArray {
			l.show, l.scale = asDecimal, int(t.Scale)
		}
	case *format.DateType:
		if l.integer() {
			l.show = asDate
		}
	case *format.TimeType:
		if l.integer() && t.Unit.Value != nil {
			l.show, l.utc, l.unit = asTime, t.IsAdjustedToUTC, t.Unit.Value.Duration()
		}
	case *format.TimestampType:
		if l.integer() && t.Unit.Value != nil {
			l.show, l.utc, l.unit = asStamp, t.IsAdjustedToUTC, t.Unit.Value.Duration()
		}
	case *format.IntType:
		if l.integer() && !t.IsSigned {
			l.show, l.bits = asUint, uint8(t.BitWidth)
		}
	}
}

// value is one value of a column.
type value struct {
	n     int64  // a number, of a float the bits
	bytes []byte // of all others
}

var (
	errNotUTF8 = errors.New("not UTF-8")
	errNotJSON = errors.New("not JSON")
	errDecimal = errors.New("decimal of too many digits")
)

// append appends a value as JSON.
func (l leaf) append(dst []byte, v value) ([]byte, error) {
	switch l.show {
	case asBool:
		return strconv.AppendBool(dst, v.n != 0), nil
	case asInt:
		return strconv.AppendInt(dst, v.n, 10), nil
	case asUint:
		n := uint64(v.n)
		if l.bits < 64 {
			n &= 1<<l.bits - 1
		}
		return strconv.AppendUint(dst, n, 10), nil
	case asFloat:
		return appendFloat(dst, float64(math.Float32frombits(uint32(v.n))), 32), nil
	case asDouble:
		return appendFloat(dst, math.Float64frombits(uint64(v.n)), 64), nil
	case asHalf:
		return appendFloat(dst, half(binary.LittleEndian.Uint16(v.bytes)), 32), nil
	case asDecimal:
		return l.appendDecimal(dst, v)
	case asString:
		return l.appendString(dst, v.bytes)
	case asJSON:
		return appendJSON(dst, v.bytes)
	case asUUID:
		return appendUUID(dst, v.bytes), nil
	case asDate, asTime, asStamp, asInt96:
		return l.appendTime(dst, v), nil
	}
	return appendBytes(dst, v.bytes), nil
}

// appendBytes writes bytes of which nothing else is known.
func appendBytes(dst, b []byte) []byte {
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
	return append(dst, '"')
}

func (l leaf) appendString(dst, text []byte) ([]byte, error) {
	switch {
	case utf8.Valid(text):
		return decoder.AppendString(dst, text), nil
	case l.repair:
		return decoder.AppendString(dst, decoder.AppendValid(nil, text)), nil
	}
	return dst, errNotUTF8
}

// appendJSON embeds JSON, in one line.
func appendJSON(dst, text []byte) ([]byte, error) {
	if jsonscan.Valid(text, maxDepth) != nil {
		return dst, errNotJSON
	}
	if !utf8.Valid(text) {
		return dst, errNotUTF8
	}
	for _, c := range text {
		if c == '\n' || c == '\r' { // white space: a string holds none
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst, nil
}

func appendUUID(dst, b []byte) []byte {
	dst = append(dst, '"')
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, []byte{c})
	}
	return append(dst, '"')
}

// appendFloat writes numbers as encoding/json does.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	style := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		style = 'e'
	}
	return strconv.AppendFloat(dst, f, style, -1, bits)
}

// half returns the value of an IEEE 754 number of 16 bits.
func half(b uint16) float64 {
	exponent, fraction := int(b>>10&0x1f), float64(b&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 0x1f:
		if f = math.Inf(1); fraction != 0 {
			return math.NaN()
		}
	default:
		f = math.Ldexp(fraction+0x400, exponent-25)
	}
	if b>>15 != 0 {
		f = -f
	}
	return f
}

// mostDigits is the longest decimal, in bytes: more than any writer writes.
const mostDigits = 128

// appendDecimal writes all digits of a decimal.
func (l leaf) appendDecimal(dst []byte, v value) ([]byte, error) {
	var digits []byte
	if l.integer() {
		digits = strconv.AppendInt(nil, v.n, 10)
	} else {
		if len(v.bytes) > mostDigits {
			return dst, errDecimal
		}
		n := new(big.Int).SetBytes(v.bytes)
		if len(v.bytes) > 0 && v.bytes[0] >= 0x80 { // two's complement
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v.bytes))))
		}
		digits = n.Append(nil, 10)
	}
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	whole := len(digits) - l.scale
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:whole]...)
		digits = digits[whole:]
	}
	if l.scale == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	for range -whole {
		dst = append(dst, '0')
	}
	return append(dst, digits...), nil
}

// The layouts of times, with and without a zone.
const (
	stampLayout = "2006-01-02T15:04:05.999999999"
	timeLayout  = "15:04:05.999999999"
)

// appendTime writes a date, time or both.
func (l leaf) appendTime(dst []byte, v value) []byte {
	var t time.Time
	layout, utc := stampLayout, l.utc
	switch l.show {
	case asDate:
		const most = 1 << 24 // days, either way: beyond all that can be written
		if v.n < -most || v.n > most {
			return strconv.AppendInt(dst, v.n, 10)
		}
		t, layout, utc = time.Unix(v.n*24*60*60, 0).UTC(), time.DateOnly, false
	case asTime:
		per := int64(24 * time.Hour / l.unit)
		if v.n < 0 || v.n >= per {
			return strconv.AppendInt(dst, v.n, 10)
		}
		t, layout = time.Unix(0, v.n*int64(l.unit)).UTC(), timeLayout
	case asInt96:
		t, utc = int96Time(v.bytes), true
	default:
		per := int64(time.Second / l.unit)
		s, rest := v.n/per, v.n%per
		if rest < 0 {
			s, rest = s-1, rest+per
		}
		t = time.Unix(s, rest*int64(l.unit)).UTC()
	}
	switch y := t.Year(); {
	case y >= 0 && y <= 9999:
	case l.show == asInt96:
		return appendBytes(dst, v.bytes)
	default:
		return strconv.AppendInt(dst, v.n, 10)
	}
	dst = t.AppendFormat(append(dst, '"'), layout)
	if utc {
		dst = append(dst, 'Z')
	}
	return append(dst, '"')
}

// int96Time returns the time that 12 bytes tell: the nanoseconds of a day, and
// the day since noon of the first of January 4713 BC.
func int96Time(b []byte) time.Time {
	const epoch = 2_440_588 // 1970-01-01
	day := int64(binary.LittleEndian.Uint32(b[8:])) - epoch
	nanos := int64(binary.LittleEndian.Uint64(b))
	return time.Unix(day*24*60*60+nanos/1e9, nanos%1e9).UTC()
}

// String names the leaf's physical type, for errors.
func (l leaf) String() string { return fmt.Sprint(l.typ) }
