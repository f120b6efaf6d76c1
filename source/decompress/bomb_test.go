package decompress

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"iter"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// zeroes is a source of one object: gzip of as many MiB of zeroes, in members of
// 1 MiB, made while it is read.
type zeroes struct{ mebibytes int }

func (z zeroes) object() source.Object {
	return source.Object{Key: "bomb.json.gz", Version: "1", Size: -1}
}

func (z zeroes) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) { yield(z.object(), nil) }
}

func (z zeroes) Open(context.Context, source.Object, int64, int64) (io.ReadCloser, source.Object, error) {
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	_, _ = w.Write(make([]byte, 1<<20)) // into memory
	_ = w.Close()
	return io.NopCloser(&repeated{data: member.Bytes(), left: z.mebibytes}), z.object(), nil
}

// repeated reads the same bytes again and again.
type repeated struct {
	data []byte
	left int
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data[r.at:])
	if r.at += n; r.at == len(r.data) {
		r.at, r.left = 0, r.left-1
	}
	return n, nil
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// discard reads an object to its end and counts its bytes.
func discard(s source.Source, key string) (int64, error) {
	r, _, err := s.Open(context.Background(), source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 256<<10))
}

// 10 GiB of zeroes are given up after 64 MiB, in less than a megabyte of memory.
func TestABombIsGivenUp(t *testing.T) {
	s, err := New(zeroes{10 << 10}, Config{})
	require.NoError(t, err)
	var n int64
	used := allocated(func() { n, err = discard(s, "bomb.json.gz") })
	assert.True(t, fault.Is(err, fault.ClassCorrupt))
	assert.ErrorContains(t, err, "more than 200 times as long")
	assert.LessOrEqual(t, n, int64(freeBytes+strideBytes))
	assert.Less(t, used, uint64(4<<20))
	t.Logf("%d bytes allocated", used)
}

func TestLimits(t *testing.T) {
	const MiB = 1 << 20
	for name, c := range map[string]struct {
		cfg   Config
		wants int64 // bytes before the error; -1 for none
		says  string
	}{
		"ratio":              {Config{MaxRatio: 100}, 64 * MiB, "more than 100 times"},
		"ratio that is kept": {Config{MaxRatio: 2000}, -1, ""},
		"no ratio":           {Config{MaxRatio: -1}, -1, ""},
		"bytes":              {Config{MaxBytes: 1000}, 1000, "limit of 1000 bytes"},
		"bytes at a stride":  {Config{MaxBytes: 3 * MiB}, 3 * MiB, "limit of"},
		"bytes that are all": {Config{MaxRatio: -1, MaxBytes: 80 * MiB}, -1, ""},
		"one byte too many":  {Config{MaxRatio: -1, MaxBytes: 80*MiB - 1}, 80*MiB - 1, "limit of"},
		"no limit of bytes":  {Config{MaxRatio: -1, MaxBytes: -1}, -1, ""},
	} {
		if testing.Short() && c.wants != 64*MiB && c.wants != 3*MiB {
			continue // each of them decodes much, and the race detector is slow here
		}
		t.Run(name, func(t *testing.T) {
			s, err := New(zeroes{80}, c.cfg)
			require.NoError(t, err)
			n, err := discard(s, "bomb.json.gz")
			if c.wants < 0 {
				require.NoError(t, err)
				assert.EqualValues(t, 80*MiB, n)
				return
			}
			require.Error(t, err)
			assert.True(t, fault.Is(err, fault.ClassCorrupt))
			assert.ErrorContains(t, err, c.says)
			assert.InDelta(t, c.wants, n, strideBytes)
			if c.cfg.MaxBytes > 0 {
				assert.Equal(t, c.wants, n)
			}
		})
	}
}

// An object that asks for a larger window is refused before memory is taken.
func TestWindowsAreBounded(t *testing.T) {
	const window = 1 << 20
	content := string(bytes.Repeat([]byte("some text that repeats itself "), 50_000))
	for key, data := range map[string][]byte{
		"a.zst": packed(t, content, func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4*window))
		}),
		"a.xz": packed(t, content, func(w io.Writer) (io.WriteCloser, error) {
			return xz.WriterConfig{DictCap: 4 * window}.NewWriter(w)
		}),
	} {
		s, _ := over(t, Config{MaxWindowBytes: window}, key, data)
		var err error
		used := allocated(func() { _, err = discard(s, key) })
		assert.True(t, fault.Is(err, fault.ClassCorrupt), key)
		assert.ErrorContains(t, err, "window of more than 1048576 bytes", key)
		assert.Less(t, used, uint64(window), key)

		s, _ = over(t, Config{MaxWindowBytes: 4 * window}, key, data)
		n, err := discard(s, key)
		require.NoError(t, err, key)
		assert.EqualValues(t, len(content), n)
	}
}

// A thousand blocks of xz that hold next to nothing would take a dictionary each.
func TestManySmallBlocksOfXZAreGivenUp(t *testing.T) {
	one := packed(t, "", func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 32 << 20}.NewWriter(w) })
	full := packed(t, "x", func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 32 << 20}.NewWriter(w) })
	s, _ := over(t, Config{}, "a.xz", append(one, bytes.Repeat(full, 1000)...))
	var err error
	used := allocated(func() { _, err = discard(s, "a.xz") })
	assert.True(t, fault.Is(err, fault.ClassCorrupt))
	assert.ErrorContains(t, err, errXZBlocks.Error())
	assert.Less(t, used, uint64(200<<20))
}

// An object whose decoder fails in a way its author did not think of is corrupt;
// a panic of the inner source is the inner source's.
func TestPanics(t *testing.T) {
	st := &stream{cfg: &Config{}, dec: panicking{}}
	n, err := st.read(make([]byte, 10))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, errPanic)
	assert.True(t, st.broken, "it is not used again")

	_, m := over(t, Config{}, "a.gz", vector(t, "records.json.gz"))
	s, err := New(panickingSource{m}, Config{Detect: DetectName})
	require.NoError(t, err)
	assert.PanicsWithValue(t, "of the source", func() { _, _ = readAll(s, "a.gz") })
}

type panicking struct{}

func (panicking) reset() error             { return nil }
func (panicking) Read([]byte) (int, error) { panic("index out of range") }

type panickingSource struct{ source.Source }

func (s panickingSource) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	r, found, err := s.Source.Open(ctx, o, off, n)
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, 100), panicReader{}), r}, found, err
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("of the source") }

// A reader that is slow, or says things that cannot be, is told as what it is.
func TestReadersThatMisbehave(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"negative": readFunc(func([]byte) (int, error) { return -1, nil }),
		"too many": readFunc(func(p []byte) (int, error) { return len(p) + 1, nil }),
		"nothing":  readFunc(func([]byte) (int, error) { return 0, nil }),
	} {
		st := (&decoded{cfg: Config{}.withDefaults()}).take(gzipped, vector(t, "records.json.gz")[:100], r)
		require.NoError(t, st.begin())
		var err error
		for range 1000 {
			if _, err = st.decode(make([]byte, 1000)); err != nil {
				break
			}
		}
		err = st.verdict(gzipped, "a.gz", err)
		require.Error(t, err, name)
		assert.False(t, fault.Is(err, fault.ClassCorrupt), name)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// Decoders are used again by whatever comes next, after whatever came before.
func TestDecodersAreUsedAgain(t *testing.T) {
	content := string(vector(t, "records.json"))
	s, m := over(t, Config{}, "x", nil)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(checked[:3]).Draw(rt, "name")
		data := bytes.Clone(vector(t, name))
		switch rapid.IntRange(0, 3).Draw(rt, "what") {
		case 0:
			m.Put(name, data[:rapid.IntRange(0, len(data)-1).Draw(rt, "cut")])
			_, err := readAll(s, name)
			assert.True(rt, fault.Is(err, fault.ClassCorrupt))
		case 1:
			m.Put(name, data)
			r, _, err := s.Open(t.Context(), source.Object{Key: name, Size: -1}, 0, -1)
			require.NoError(rt, err)
			_, err = io.ReadFull(r, make([]byte, rapid.IntRange(0, len(content)).Draw(rt, "some")))
			require.NoError(rt, err)
			require.NoError(rt, r.Close())
		case 2:
			m.Put(name, data)
			got, err := readSizes(s, name, rapid.IntRange(1, 3000).Draw(rt, "size"))
			require.NoError(rt, err)
			assert.Equal(rt, content, got)
		case 3:
			m.Put(name, data)
			got, _, err := s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: name, Size: -1}, []byte("before"), len(content))
			require.NoError(rt, err)
			assert.Equal(rt, "before"+content, string(got))
		}
	})
}
