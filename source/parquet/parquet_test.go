package parquet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// write returns an object of rows.
func write[T any](t testing.TB, rows []T, options ...pq.WriterOption) []byte {
	var b bytes.Buffer
	w := pq.NewGenericWriter[T](&b, options...)
	_, err := w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// over returns a source of one object.
func over(t testing.TB, cfg Config, data []byte) (source.Source, *sourcetest.Memory) {
	m := &sourcetest.Memory{}
	m.Put("a.parquet", data)
	s, err := New(m, cfg)
	require.NoError(t, err)
	return s, m
}

func read(s source.Source, key string) (string, source.Object, error) {
	r, found, err := s.Open(context.Background(), source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return "", found, err
	}
	data, err := io.ReadAll(r)
	if closing := r.Close(); err == nil {
		err = closing
	}
	return string(data), found, err
}

// lines returns what comes of an object, a line for each row, flaws as "! reason:
// text".
func lines(t testing.TB, cfg Config, data []byte) []string {
	s, _ := over(t, cfg, data)
	got, _, err := read(s, "a.parquet")
	require.NoError(t, err)
	return records(t, got)
}

// records returns what the splitter makes of a stream.
func records(t testing.TB, stream string) []string {
	split, err := source.NewSplitter(source.Split{Format: source.FormatLines})
	require.NoError(t, err)
	out := []string{}
	for data := []byte(stream); ; {
		tok := split.Next(data, true)
		piece := data[tok.Start:tok.End]
		data = data[tok.Advance:]
		switch tok.Kind {
		case source.TokenEnd:
			return out
		case source.TokenRecord:
			out = append(out, string(piece))
		case source.TokenCorrupt:
			require.True(t, source.IsFlaw(tok.Err), "%v: %q", tok.Err, piece)
			_, reason, _ := strings.Cut(tok.Err.Error(), ": parquet: ")
			out = append(out, "! "+reason+": "+string(source.AppendFlawText(nil, piece)))
		default:
			t.Fatalf("asks for more than there is: %+v", tok)
		}
	}
}

type everything struct {
	Bool    bool             `parquet:"bool"`
	I32     int32            `parquet:"i32,delta"`
	I64     int64            `parquet:"i64"`
	U32     uint32           `parquet:"u32"`
	U64     uint64           `parquet:"u64"`
	F32     float32          `parquet:"f32"`
	F64     float64          `parquet:"f64,split"`
	Text    string           `parquet:"text,dict"`
	Delta   string           `parquet:"delta,delta"`
	Raw     []byte           `parquet:"raw"`
	UUID    [16]byte         `parquet:"uuid,uuid"`
	Doc     string           `parquet:"doc,json"`
	Day     int32            `parquet:"day,date"`
	At      time.Time        `parquet:"at,timestamp(microsecond)"`
	Milli   int64            `parquet:"milli,timestamp(millisecond)"`
	Money   int64            `parquet:"money,decimal(2:18)"`
	Null    *string          `parquet:"null,optional"`
	List    []int64          `parquet:"list,list"`
	Bare    []string         `parquet:"bare"`
	Group   inner            `parquet:"group"`
	Groups  []inner          `parquet:"groups,list"`
	Map     map[string]int32 `parquet:"map"`
	Numbers map[int32]string `parquet:"numbers"`
	Opt     *inner           `parquet:"opt,optional"`
	Old     deprecated.Int96 `parquet:"old"`
}

type inner struct {
	A *int32   `parquet:"a,optional" json:"a"`
	B []string `parquet:"b,list" json:"b"`
}

func sample() everything {
	seven := int32(7)
	return everything{
		Bool: true, I32: -5, I64: math.MinInt64, U32: math.MaxUint32, U64: math.MaxUint64, F32: 1.5, F64: -2.5e-9,
		Text: "a \"quoted\"\n text é", Delta: "delta", Raw: []byte{0, 1, 0xff}, UUID: [16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
		Doc: "{\"x\":\n1}", Day: 20_000, At: time.Date(2026, 11, 22, 10, 15, 30, 123456000, time.UTC), Milli: -1, Money: -5,
		List: []int64{1, 2, 3}, Bare: []string{"x", "y"}, Group: inner{A: &seven, B: []string{"p", "q"}}, Groups: []inner{{}, {A: &seven, B: []string{"r"}}},
		Map: map[string]int32{"k\"": 1}, Numbers: map[int32]string{3: "three"},
		Old: deprecated.Int96{0, 0, 2_440_589},
	}
}

const sampleJSON = `{"bool":true,"i32":-5,"i64":-9223372036854775808,"u32":4294967295,"u64":18446744073709551615,"f32":1.5,"f64":-2.5e-09,` +
	`"text":"a \"quoted\"\n text é","delta":"delta","raw":"AAH/","uuid":"00112233-4455-6677-8899-aabbccddeeff","doc":{"x": 1},` +
	`"day":"2024-10-04","at":"2026-11-22T10:15:30.123456Z","milli":"1969-12-31T23:59:59.999Z","money":-0.05,"null":null,"list":[1,2,3],"bare":["x","y"],` +
	`"group":{"a":7,"b":["p","q"]},"groups":[{"a":null,"b":[]},{"a":7,"b":["r"]}],"map":{"k\"":1},"numbers":[{"key":3,"value":"three"}],"opt":null,` +
	`"old":"1970-01-02T00:00:00Z"}`

// Every type, in every kind of page and compression.
func TestTypes(t *testing.T) {
	for name, codec := range map[string]compress.Codec{
		"none": &pq.Uncompressed, "snappy": &pq.Snappy, "gzip": &pq.Gzip, "zstd": &pq.Zstd, "brotli": &pq.Brotli, "lz4": &pq.Lz4Raw,
	} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprint(name, " ", version), func(t *testing.T) {
				data := write(t, []everything{sample(), sample(), {UUID: sample().UUID, Doc: "null", At: time.Unix(0, 0)}}, pq.Compression(codec), pq.DataPageVersion(version))
				got := lines(t, Config{}, data)
				require.Len(t, got, 3)
				assert.Equal(t, sampleJSON, got[0])
				assert.Equal(t, sampleJSON, got[1])
				assert.Contains(t, got[2], `"raw":"","`)
				assert.Contains(t, got[2], `"list":[],"bare":[],"group":{"a":null,"b":[]},"groups":[],"map":{},"numbers":[],"opt":null`)
				for _, line := range got {
					assert.True(t, json.Valid([]byte(line)))
				}
			})
		}
	}
}

// A time that has no form in RFC 3339 is what is stored, and two are not the same.
func TestTimesBeyondTheCalendar(t *testing.T) {
	type row struct {
		Day   int32            `parquet:"day,date"`
		Milli int64            `parquet:"milli,timestamp(millisecond)"`
		Old   deprecated.Int96 `parquet:"old"`
	}
	got := lines(t, Config{}, write(t, []row{
		{math.MaxInt32, math.MaxInt64, deprecated.Int96{1, 2, math.MaxInt32}}, {math.MinInt32, math.MinInt64, deprecated.Int96{}},
	}))
	assert.Equal(t, []string{
		`{"day":2147483647,"milli":9223372036854775807,"old":"AQAAAAIAAAD///9/"}`,
		`{"day":-2147483648,"milli":-9223372036854775808,"old":"AAAAAAAAAAAAAAAA"}`,
	}, got)
}
