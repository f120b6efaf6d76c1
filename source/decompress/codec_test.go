package decompress

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// What has a checksum, so that every damage is noticed.
var checked = []string{"records.json.gz", "records.json.zst", "records.json.bz2", "records.json.xz", "records.sha256.xz", "records.crc32.xz"}

// stride is how far a test goes at a time: in small steps where it is to be whole.
func stride(brief int) int {
	if testtool.Brief() {
		return brief
	}
	return 1
}

// same compares without printing what is long.
func same(t *testing.T, want, got, format string, args ...any) {
	t.Helper()
	if want != got {
		t.Fatalf(format+": got %d bytes, want %d", append(args, len(got), len(want))...)
	}
}

func TestDecodesWhatTheToolsWrite(t *testing.T) {
	records := string(vector(t, "records.json"))
	want := map[string]string{"records.json": records, "records.default.xz": records, "records.none.xz": records, "lines.bz2": lines(), "lines.xz": lines()}
	for _, name := range checked {
		want[name] = records
	}
	sizes := []int{1, 7, 32 << 10, 1 << 20}
	if testing.Short() {
		sizes = sizes[1:3]
	}
	for name, content := range want {
		for _, key := range []string{name, "another/name.json"} {
			s, _ := over(t, Config{}, key, vector(t, name))
			for _, size := range sizes {
				got, err := readSizes(s, key, size)
				require.NoError(t, err, name)
				same(t, content, got, "%s in reads of %d", name, size)
			}
			got, found, err := s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: key, Size: -1}, nil, len(content))
			require.NoError(t, err, name)
			same(t, content, string(got), "%s", name)
			assert.Equal(t, int64(len(vector(t, name))), found.Size, "as it is stored")
		}
	}
}

// isDefect checks that what was read is the beginning of the content, and that
// the error says so.
func isDefect(t *testing.T, got, content string, err error, msg string) {
	t.Helper()
	require.Truef(t, strings.HasPrefix(content, got), "%s: other content", msg)
	require.Errorf(t, err, "%s: %d bytes taken for all", msg, len(got))
	require.Truef(t, fault.Is(err, fault.ClassCorrupt), "%s: %v", msg, err)
}

func TestEveryTruncationIsADefect(t *testing.T) {
	content := string(vector(t, "records.json"))
	for _, name := range append([]string{"records.none.xz"}, checked...) {
		data := vector(t, name)
		s, m := over(t, Config{}, name, data)
		for n := 0; n < len(data); n += stride(3) {
			m.Put(name, data[:n])
			got, err := readAll(s, name)
			isDefect(t, got, content, err, name)
			_, _, err = s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: name, Size: -1}, nil, 1<<20)
			require.ErrorIs(t, err, source.ErrTooLarge, "to be read through Open")
		}
		// In the second of two, too.
		two := append(bytes.Clone(data), data...)
		for n := len(data) + 1; n < len(two); n += stride(7) {
			m.Put(name, two[:n])
			got, err := readAll(s, name)
			isDefect(t, got, content+content, err, name)
			require.GreaterOrEqual(t, len(got), len(content))
		}
		m.Put(name, two)
		got, err := readAll(s, name)
		require.NoError(t, err)
		assert.Equal(t, content+content, got)
	}
}

// A flipped bit is noticed, or it is one of those that mean nothing, such as the
// time in the header.
func TestEveryFlippedBitIsADefectOrMeansNothing(t *testing.T) {
	content := string(vector(t, "records.json"))
	for _, name := range checked {
		data := vector(t, name)
		s, m := over(t, Config{}, name, data)
		harmless := 0
		for at := range data {
			for bit := at % stride(8); bit < 8; bit += stride(8) {
				damaged := bytes.Clone(data)
				damaged[at] ^= 1 << bit
				m.Put(name, damaged)
				got, err := readAll(s, name)
				if err == nil && got == content {
					harmless++
					continue
				}
				require.Errorf(t, err, "%s, bit %d of byte %d", name, bit, at)
				require.Truef(t, fault.Is(err, fault.ClassCorrupt), "%s, bit %d of byte %d: %v", name, bit, at, err)
			}
		}
		assert.LessOrEqual(t, harmless, 100, name)
	}
}

// What can be decoded before a defect does not depend on how it is read: a
// checkpoint made in one pass holds in the next.
func TestADefectIsAtTheSamePlaceInEveryPass(t *testing.T) {
	for _, name := range append([]string{"lines.bz2", "lines.xz"}, checked...) {
		data := vector(t, name)
		s, m := over(t, Config{Detect: DetectName}, name, data)
		for at := 3; at < len(data); at += 1 + len(data)/(12/stride(4)) {
			damaged := bytes.Clone(data)
			damaged[at] ^= 0x10
			m.Put(name, damaged)
			want, wantErr := readAll(s, name)
			for _, size := range []int{99, 4096, 1 << 20} {
				got, err := readSizes(s, name, size)
				same(t, want, got, "%s damaged at %d, in reads of %d", name, at, size)
				assert.Equal(t, wantErr == nil, err == nil)
			}
		}
	}
}

func TestWhatFollows(t *testing.T) {
	content := string(vector(t, "records.json"))
	zeroes := make([]byte, 1000)
	for name, c := range map[string]struct {
		file   string
		behind []byte
		sound  bool
	}{
		"zeroes behind gzip":                      {"records.json.gz", zeroes, true},
		"garbage behind gzip":                     {"records.json.gz", []byte("garbage"), false},
		"garbage behind zeroes behind gzip":       {"records.json.gz", append(bytes.Clone(zeroes), 1), false},
		"a member behind zeroes behind gzip":      {"records.json.gz", append(bytes.Clone(zeroes), vector(t, "records.json.gz")...), false},
		"half a magic number behind gzip":         {"records.json.gz", []byte{0x1f}, false},
		"garbage behind zstd":                     {"records.json.zst", []byte("garbage"), false},
		"zeroes behind zstd":                      {"records.json.zst", zeroes, false},
		"a frame to be skipped behind zstd":       {"records.json.zst", []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc"), true},
		"half a frame to be skipped behind zstd":  {"records.json.zst", []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00ab"), false},
		"less of a frame to be skipped":           {"records.json.zst", []byte("\x50\x2a\x4d\x18\x03"), false},
		"garbage behind bzip2":                    {"records.json.bz2", []byte("garbage"), false},
		"zeroes behind bzip2":                     {"records.json.bz2", zeroes, false},
		"zeroes behind xz":                        {"records.json.xz", zeroes, true},
		"zeroes that are no multiple of 4 behind": {"records.json.xz", zeroes[:6], false},
		"garbage behind xz":                       {"records.json.xz", []byte("garbage, and more of it"), false},
	} {
		s, _ := over(t, Config{}, c.file, append(bytes.Clone(vector(t, c.file)), c.behind...))
		got, err := readAll(s, c.file)
		assert.Equal(t, content, got, name)
		if c.sound {
			assert.NoError(t, err, name)
			continue
		}
		assert.Truef(t, fault.Is(err, fault.ClassCorrupt), "%s: %v", name, err)
	}
}

func TestStreamsOfAllKindsOneBehindTheOther(t *testing.T) {
	content := string(vector(t, "records.json"))
	s, _ := over(t, Config{}, "a.xz", bytes.Join([][]byte{
		vector(t, "records.json.xz"), make([]byte, 8), vector(t, "records.none.xz"), vector(t, "records.sha256.xz"),
	}, nil))
	got, err := readAll(s, "a.xz")
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat(content, 3), got)

	empty := compress["gz"](t, "")
	s, _ = over(t, Config{}, "a.gz", bytes.Join([][]byte{empty, vector(t, "records.json.gz"), empty, empty, vector(t, "records.json.gz"), empty}, nil))
	got, err = readAll(s, "a.gz")
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat(content, 2), got)

	s, _ = over(t, Config{}, "twice.gz", compress["gz"](t, string(vector(t, "records.json.gz"))))
	got, err = readAll(s, "twice.gz")
	require.NoError(t, err)
	assert.Equal(t, string(vector(t, "records.json.gz")), got, "what is compressed twice is decoded once")
}

// long are objects that are longer than what is looked at, and than a buffer when
// they are decoded.
func long(t *testing.T) map[string][]byte {
	return map[string][]byte{
		"lines.gz": compress["gz"](t, lines()), "lines.zst": compress["zst"](t, lines()),
		"lines.bz2": vector(t, "lines.bz2"), "lines.xz": vector(t, "lines.xz"),
	}
}

func TestTruncationsOfLongObjects(t *testing.T) {
	content := lines()
	for name, data := range long(t) {
		s, m := over(t, Config{}, name, data)
		n := 20
		if testing.Short() { // as under the race detector, which is slow here
			n = 3
		}
		for i := range n {
			m.Put(name, data[:len(data)*i/n])
			got, err := readAll(s, name)
			isDefect(t, got, content, err, name)
			again, err := readSizes(s, name, 999)
			isDefect(t, again, content, err, name)
			same(t, got, again, "%s in other reads", name)
		}
	}
}

// Whatever fails in what is stored is told as it is: it does not make an object
// corrupt, wherever it happens.
func TestATransportThatFailsIsNoDefect(t *testing.T) {
	errCut := fault.Interrupted(errors.New("connection reset"))
	content := string(vector(t, "records.json"))
	for _, name := range checked {
		data := vector(t, name)
		s, m := over(t, Config{}, name, data)
		for at := 0; at <= len(data); at += stride(5) {
			failsAt(t, s, m, name, at, errCut, content)
		}
	}
	if testing.Short() {
		return
	}
	for name, data := range long(t) {
		s, m := over(t, Config{}, name, data)
		for i := 0; i < 15; i += stride(3) {
			failsAt(t, s, m, name, (len(data)-i%2)*i/14, errCut, lines())
			failsAt(t, s, m, name, (len(data)-i%2)*i/14, source.ErrChanged, lines())
		}
	}
}

// failsAt checks that a failure at an offset is told, and that the next reading
// is none the worse for it.
func failsAt(t *testing.T, s source.Source, m *sourcetest.Memory, name string, at int, failure error, content string) {
	t.Helper()
	m.Inject(name, sourcetest.Fault{At: int64(at), Err: failure, Times: 1})
	got, err := readAll(s, name)
	require.ErrorIsf(t, err, failure, "%s cut at %d", name, at)
	require.Equal(t, fault.Of(failure), fault.Of(err))
	require.True(t, strings.HasPrefix(content, got))
	got, err = readAll(s, name)
	require.NoError(t, err)
	same(t, content, got, "%s after it was cut at %d", name, at)
}

// A damaged object may be one that is being written: that it is corrupt is said
// only if it is the same at its end.
func TestAnObjectThatChangesIsNotCorrupt(t *testing.T) {
	for _, name := range checked {
		data := vector(t, name)
		damaged := append(bytes.Clone(data[:len(data)-3]), make([]byte, 100<<10)...)
		s, m := over(t, Config{}, name, damaged)
		m.Inject(name, sourcetest.Fault{At: int64(len(damaged)), Do: func() { m.Put(name, data) }, Times: 1})
		_, err := readAll(s, name)
		assert.ErrorIs(t, err, source.ErrChanged, name)
		assert.False(t, fault.Is(err, fault.ClassCorrupt), name)
	}
}

func TestErrorsNameTheObjectAndHoldNoPayload(t *testing.T) {
	for _, name := range checked {
		data := vector(t, name)
		s, _ := over(t, Config{}, name, data[:len(data)-1])
		_, err := readAll(s, name)
		require.Error(t, err)
		assert.Contains(t, err.Error(), name)
		assert.NotContains(t, err.Error(), "fox")
	}
}

func TestAReaderThatIsClosedReadsNothing(t *testing.T) {
	s, _ := over(t, Config{}, "a.gz", vector(t, "records.json.gz"))
	r, _, err := s.Open(t.Context(), source.Object{Key: "a.gz", Size: -1}, 0, -1)
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	n, err := r.Read(make([]byte, 10))
	assert.Zero(t, n)
	assert.Error(t, err)
}
