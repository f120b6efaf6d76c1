package destination_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
)

var sample = destination.Envelope{
	Object: "a/b.json", Version: `v"1`, Offset: 12, Index: 3, Attempt: 2, Class: "corrupt", Reason: "line 1\nline 2",
	Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Stage: "sink", Data: []byte(`{"id":1}`),
}

func ExampleEnvelope_Append() {
	e := destination.Envelope{
		Object: "in/a.json", Offset: 512, Attempt: 1, Class: "retryable", Reason: "sink said no",
		Time: time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC), Data: []byte(`{"id":1}`),
	}
	fmt.Printf("%s", e.Append(nil))
	// Output:
	// {"unspool":1,"object":"in/a.json","offset":512,"attempt":1,"class":"retryable","reason":"sink said no","time":"2026-11-22T15:04:05Z","data":"{\"id\":1}"}
}

func TestEnvelopeIsOneLineOfJSONWithTheDataLast(t *testing.T) {
	line := sample.Append([]byte("before"))
	text, ok := strings.CutPrefix(string(line), "before")
	require.True(t, ok)
	assert.Equal(t, 1, strings.Count(text, "\n"))
	assert.True(t, json.Valid([]byte(text)))
	assert.True(t, strings.HasPrefix(text, `{"unspool":1,"object":"a/b.json",`))
	assert.True(t, strings.HasSuffix(text, `,"data":"{\"id\":1}"}`+"\n"))
}

func FuzzEnvelopeRoundTrip(f *testing.F) {
	f.Add("a.json", "v1", int64(1), 2, 3, "corrupt", "why", "sink", []byte(`{"a":"b\n"}`), int64(1))
	f.Add("\xff", "\xfe", int64(-1), -2, 0, "\x00", "\xff", "", []byte{0, 1, 2, 0xff}, int64(1<<62))
	f.Add("", "", int64(0), 0, 0, "", "", "ticket", []byte("\x01\x02ab\x00"), int64(0))
	f.Fuzz(func(t *testing.T, object, version string, offset int64, index, attempt int, class, reason, stage string, data []byte, sec int64) {
		e := destination.Envelope{
			Object: object, Version: version, Offset: offset, Index: index, Attempt: attempt,
			Class: class, Reason: reason, Time: time.Unix(sec, 0).UTC(), Stage: stage, Data: data,
		}
		line := e.Append(nil)
		require.Equal(t, len(line)-1, bytes.IndexByte(line, '\n'))
		got, ok := destination.ParseEnvelope(line)
		require.True(t, ok, "%s", line)

		e.Class, e.Reason, e.Stage = valid(class), valid(reason), valid(stage)
		if y := e.Time.Year(); y < 0 || y > 9999 {
			e.Time = time.Time{}
		}
		require.True(t, e.Time.Equal(got.Time))
		e.Time, got.Time = time.Time{}, time.Time{}
		if len(data) == 0 {
			e.Data = nil
		}
		require.Equal(t, e, got)
		require.LessOrEqual(t, len(line), 3*len(data)+6*len(object+version+class+reason+stage)+512)

		for _, cut := range []int{1, len(line) / 2, len(line) - 2} {
			_, ok := destination.ParseEnvelope(line[:cut])
			require.False(t, ok, "a torn line was taken: %s", line[:cut])
		}
	})
}

func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func FuzzParseEnvelope(f *testing.F) {
	f.Add(sample.Append(nil))
	f.Add([]byte(`{"unspool":1,"object":"a"}`))
	f.Add([]byte(`{"object":"a","offset":1,"class":"x"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := destination.ParseEnvelope(line)
		if !ok {
			return
		}
		again, ok := destination.ParseEnvelope(e.Append(nil))
		require.True(t, ok)
		require.Equal(t, e.Object, again.Object)
		require.True(t, bytes.Equal(e.Data, again.Data))
	})
}

func TestAUsersRecordIsNotMistakenForAnEnvelope(t *testing.T) {
	for _, record := range []string{
		``, ` `, `{}`, `[]`, `1`, `null`, `{"object":"a"}`,
		`{"object":"a","offset":1,"class":"corrupt","reason":"x","time":"2026-01-02T03:04:05Z","data":"x"}`,
		`{"id":1,"unspool":1,"object":"a","offset":1,"class":"corrupt","time":"2026-01-02T03:04:05Z"}`,
		`{"unspool":1}`, `{"unspool":2,"object":"a","offset":1,"class":"c","time":"2026-01-02T03:04:05Z"}`,
		`{"unspool":1,"object":"a","offset":1,"class":"c","time":"2026-01-02T03:04:05Z","mine":1}`,
		`{"unspool":1,"object":"a","offset":1,"class":"c","time":"2026-01-02T03:04:05Z"} {}`,
		`{"unspool":1,"offset":1,"class":"c","time":"2026-01-02T03:04:05Z"}`,
		`{"unspool":1,"object":7,"offset":1,"class":"c","time":"2026-01-02T03:04:05Z"}`,
		string(sample.Append(nil)) + string(sample.Append(nil)),
	} {
		_, ok := destination.ParseEnvelope([]byte(record))
		assert.False(t, ok, record)
	}
}

func TestAnEnvelopeThatAToolWroteWithSpacesIsStillOne(t *testing.T) {
	var pretty bytes.Buffer
	require.NoError(t, json.Indent(&pretty, sample.Append(nil), " ", "  "))
	got, ok := destination.ParseEnvelope(pretty.Bytes())
	require.True(t, ok)
	assert.Equal(t, sample, got)
}

func TestStreamGivesTheSameEnvelopeAsAppend(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100_000} {
		data := bytes.Repeat([]byte{0xff}, n)
		var line bytes.Buffer
		e := sample
		e.Data = []byte("ignored")
		got, err := e.Stream(&line, iotest.HalfReader(bytes.NewReader(data)))
		require.NoError(t, err)
		assert.EqualValues(t, n, got)
		parsed, ok := destination.ParseEnvelope(line.Bytes())
		require.True(t, ok)
		assert.True(t, bytes.Equal(data, parsed.Data))
		parsed.Data, e.Data = nil, nil
		assert.Equal(t, e, parsed)
	}
}

func TestStreamPassesOnTheErrorsOfBothSides(t *testing.T) {
	cut := errors.New("cut")
	var torn bytes.Buffer
	_, err := sample.Stream(&torn, io.MultiReader(strings.NewReader("abcdef"), iotest.ErrReader(cut)))
	assert.ErrorIs(t, err, cut)
	_, ok := destination.ParseEnvelope(torn.Bytes())
	assert.False(t, ok, "half the data looks like all of it")

	for room := range 200 {
		_, err = sample.Stream(&limited{room}, strings.NewReader("abcdef"))
		require.ErrorIs(t, err, io.ErrShortWrite, "with room for %d bytes", room)
	}
}

// limited is a writer with room for so many bytes.
type limited struct{ room int }

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.room)
	l.room -= n
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func TestReadEnvelopesGoesOnAfterWhatItCannotTake(t *testing.T) {
	with := func(object string, data []byte) string {
		e := destination.Envelope{Object: object, Class: "corrupt", Data: data}
		return string(e.Append(nil))
	}
	const huge = 300 << 10 // beyond what a line of 100 bytes of data may take
	part := with("first", []byte("1")) +
		"\n \r\n" +
		with("long text", bytes.Repeat([]byte("x"), huge)) +
		with("long bytes", bytes.Repeat([]byte{0xff}, huge)) +
		with("a little long", bytes.Repeat([]byte("y"), 101)) +
		with("exact", bytes.Repeat([]byte("z"), 100)) +
		`{"id":1}` + "\n" +
		strings.Repeat("r", huge) + "\n" +
		strings.Repeat("s", 101) + "\n" +
		with("last", []byte("2")) +
		with("torn", []byte("3"))[:50]

	type result struct {
		object, data string
		err          error
	}
	var got []result
	for e, err := range destination.ReadEnvelopes(iotest.OneByteReader(strings.NewReader(part)), 100) {
		got = append(got, result{e.Object, string(e.Data), err})
	}
	want := []result{
		{"first", "1", nil},
		{"long text", "", destination.ErrDataTooLong},
		{"long bytes", "", destination.ErrDataTooLong},
		{"a little long", "", destination.ErrDataTooLong},
		{"exact", strings.Repeat("z", 100), nil},
		{"", `{"id":1}`, destination.ErrNotEnvelope},
		{"", "", destination.ErrDataTooLong},
		{"", "", destination.ErrDataTooLong},
		{"last", "2", nil},
		{"", with("torn", []byte("3"))[:50], destination.ErrNotEnvelope},
	}
	require.Len(t, got, len(want))
	for i := range want {
		assert.ErrorIs(t, got[i].err, want[i].err, "%d", i)
		got[i].err = want[i].err
		assert.Equal(t, want[i], got[i], "%d", i)
	}
}

func TestAllTheDataACallerTakesIsReadWhateverItHolds(t *testing.T) {
	const size = 256 << 10
	for _, unit := range []string{"x", "\"", "\\", "\n", "\x01", "\x01abc", "\xff", "é", "\u2028"} {
		e := destination.Envelope{Object: "a", Class: "corrupt", Data: []byte(strings.Repeat(unit, size/len(unit)))}
		for got, err := range destination.ReadEnvelopes(bytes.NewReader(e.Append(nil)), size) {
			require.NoError(t, err, "%q", unit)
			require.True(t, bytes.Equal(e.Data, got.Data), "%q", unit)
		}
	}
}

func TestReadEnvelopesYieldsTheReadersErrorLast(t *testing.T) {
	cut := errors.New("cut")
	var errs []error
	for _, err := range destination.ReadEnvelopes(io.MultiReader(bytes.NewReader(sample.Append(nil)), iotest.ErrReader(cut)), 100) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2)
	assert.NoError(t, errs[0])
	assert.ErrorIs(t, errs[1], cut)
}

func TestAHugeEnvelopeIsReadAndWrittenInBoundedMemory(t *testing.T) {
	const size = 32 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	reader, writer := io.Pipe()
	streamed := make(chan error, 1)
	go func() {
		_, err := sample.Stream(writer, io.LimitReader(zeros{}, size))
		writer.CloseWithError(err)
		streamed <- err
	}()
	for e, err := range destination.ReadEnvelopes(reader, 1<<20) {
		assert.ErrorIs(t, err, destination.ErrDataTooLong)
		assert.Equal(t, sample.Object, e.Object)
		assert.Empty(t, e.Data)
	}
	require.NoError(t, <-streamed)

	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(24<<20), "memory for a line of %d bytes", size)
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func BenchmarkEnvelopeAppend(b *testing.B) {
	e := sample
	e.Data = bytes.Repeat([]byte(`{"id":1,"text":"hello"},`), 20)
	var dst []byte
	b.SetBytes(int64(len(e.Data)))
	for b.Loop() {
		dst = e.Append(dst[:0])
	}
}
