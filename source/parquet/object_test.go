package parquet

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sourcetest"
)

type blob struct {
	V []byte `parquet:"v"`
}

// packed is an object that holds a content, as one row.
func packed(t testing.TB, content string) []byte {
	if data, ok := packs.Load(content); ok {
		return data.([]byte)
	}
	data := write(t, []blob{{[]byte(content)}}, pq.DataPageStatistics(false))
	packs.Store(content, data)
	return data
}

var packs sync.Map // of what packed returned

func decoded(content string) string {
	return `{"v":"` + base64.StdEncoding.EncodeToString([]byte(content)) + "\"}\n"
}

func TestConformance(t *testing.T) {
	t.Run("dir", func(t *testing.T) {
		sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
			root := t.TempDir()
			then := time.Now().Add(-time.Hour)
			put := func(key, content string) error {
				path := filepath.Join(root, filepath.FromSlash(key))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(path, packed(t, content), 0o644); err != nil {
					return err
				}
				then = then.Add(time.Second)
				return os.Chtimes(path, then, then)
			}
			for key, content := range files {
				require.NoError(t, put(key, content))
			}
			inner, err := dir.Open(root, dir.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { inner.Close() })
			s, err := New(inner, Config{})
			require.NoError(t, err)
			return sourcetest.Fixture{
				Source: s, Write: put, Decoded: decoded,
				Remove: func(key string) error { return os.Remove(filepath.Join(root, filepath.FromSlash(key))) },
			}
		})
	})
	t.Run("memory", func(t *testing.T) {
		sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
			m := &sourcetest.Memory{}
			for key, content := range files {
				m.Put(key, packed(t, content))
			}
			s, err := New(m, Config{})
			require.NoError(t, err)
			return sourcetest.Fixture{
				Source: s, Decoded: decoded,
				Write:  func(key, content string) error { m.Put(key, packed(t, content)); return nil },
				Remove: func(key string) error { m.Delete(key); return nil },
			}
		})
	})
}

type trade struct {
	ID     int64    `parquet:"id,delta"`
	Name   string   `parquet:"name,dict"`
	Note   string   `parquet:"note,delta"`
	Amount float64  `parquet:"amount,split"`
	Flag   *bool    `parquet:"flag,optional"`
	Tags   []string `parquet:"tags,list"`
}

// trades returns rows, and what they are as lines.
func trades(n int) (rows []trade, lines []string) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		row := trade{ID: int64(i) * r.Int64N(1000), Name: fmt.Sprintf("name %d", r.IntN(50)), Note: fmt.Sprintf("a note %x", r.Uint64()), Amount: float64(r.IntN(1e6)) / 4}
		line := fmt.Sprintf(`{"id":%d,"name":"%s","note":"%s","amount":%v,"flag":`, row.ID, row.Name, row.Note, row.Amount)
		if r.IntN(2) == 0 {
			flag := r.IntN(2) == 0
			row.Flag = &flag
			line += fmt.Sprint(flag)
		} else {
			line += "null"
		}
		for range r.IntN(4) {
			row.Tags = append(row.Tags, fmt.Sprint("t", r.IntN(100)))
		}
		line += `,"tags":[`
		if len(row.Tags) > 0 {
			line += `"` + strings.Join(row.Tags, `","`) + `"`
		}
		rows, lines = append(rows, row), append(lines, line+"]}")
	}
	return rows, lines
}

var manyPages = []pq.WriterOption{pq.PageBufferSize(2000), pq.MaxRowsPerRowGroup(3000), pq.Compression(&pq.Snappy)}

// Many pages and row groups, of both formats.
func TestManyPages(t *testing.T) {
	rows, want := trades(10_000)
	for _, version := range []int{1, 2} {
		data := write(t, rows, append(manyPages, pq.DataPageVersion(version))...)
		assert.Equal(t, want, lines(t, Config{}, data), version)
	}
}

// large is an object that is not held in memory.
func large(t testing.TB) (data []byte, want string) {
	largeOnce.Do(func() {
		r := rand.NewChaCha8([32]byte{})
		rows := make([]blob, 500)
		for i := range rows {
			rows[i].V = make([]byte, 10_000)
			_, _ = r.Read(rows[i].V)
			largeWant += decoded(string(rows[i].V))
		}
		largeData = write(t, rows, pq.MaxRowsPerRowGroup(200), pq.PageBufferSize(64<<10))
	})
	require.Greater(t, len(largeData), smallBytes)
	return largeData, largeWant
}

var (
	largeOnce sync.Once
	largeData []byte
	largeWant string
)

// noRange is a source that reads from the beginning only.
type noRange struct{ source.Source }

func (s noRange) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if off != 0 {
		return nil, o, source.ErrNoRange
	}
	return s.Source.Open(ctx, o, off, n)
}

// Large objects are read through ranges, or from a file that leaves nothing
// behind.
func TestLargeObjects(t *testing.T) {
	data, want := large(t)
	m := &sourcetest.Memory{}
	m.Put("a.parquet", data)
	m.Put("a.parquet.gz", gzipped(t, data))
	unpacked, err := decompress.New(m, decompress.Config{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		inner source.Source
		key   string
		files bool
	}{"ranges": {m, "a.parquet", false}, "no ranges": {noRange{m}, "a.parquet", true}, "compressed": {unpacked, "a.parquet.gz", true}} {
		temp := t.TempDir()
		s, err := New(c.inner, Config{TempDir: temp})
		require.NoError(t, err)
		got, found, err := read(s, c.key)
		require.NoError(t, err, name)
		assert.Equal(t, sum(want), sum(got), name)
		assert.Equal(t, c.key == "a.parquet.gz", strings.HasPrefix(found.Encoding, "gzip+parquet-"), found.Encoding)
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		assert.Empty(t, left, name)

		s, err = New(c.inner, Config{TempDir: temp, MaxTempBytes: 1000})
		require.NoError(t, err)
		_, _, err = read(s, c.key)
		assert.Equal(t, c.files, fault.Is(err, fault.ClassCorrupt), "%s: %v", name, err)

		s, err = New(c.inner, Config{TempDir: filepath.Join(temp, "none")})
		require.NoError(t, err)
		_, _, err = read(s, c.key)
		assert.Equal(t, c.files, fault.Is(err, fault.ClassInterrupted), "%s: %v", name, err)
	}
}

// What fails on the way is not the object's fault.
func TestInterrupted(t *testing.T) {
	data, _ := large(t)
	gone := errors.New("gone")
	m := &sourcetest.Memory{}
	m.Put("a.parquet", data)
	m.Inject("a.parquet", sourcetest.Fault{At: int64(len(data) / 2), Err: fault.Interrupted(gone)})
	for _, inner := range []source.Source{m, noRange{m}} {
		s, err := New(inner, Config{TempDir: t.TempDir()})
		require.NoError(t, err)
		got, _, err := read(s, "a.parquet")
		assert.ErrorIs(t, err, gone)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		assert.NotContains(t, got, "\x00")
	}
}

// A page that cannot be read takes the rest of its row group along, and says so.
func TestBrokenPages(t *testing.T) {
	rows, want := trades(9000)
	data := write(t, rows, manyPages...)
	f, err := pq.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	for column := range 6 {
		chunk := f.Metadata().RowGroups[1].Columns[column].MetaData
		broken := bytes.Clone(data)
		for i := range 40 {
			broken[chunk.DataPageOffset+chunk.TotalCompressedSize*2/3+int64(i)] ^= 0xff
		}
		got := lines(t, Config{}, broken)
		flaw := slices.IndexFunc(got, func(line string) bool { return strings.HasPrefix(line, "! row group 1, from row ") })
		require.GreaterOrEqual(t, flaw, 3000, "column %d", column)
		assert.Less(t, flaw, 6000)
		assert.Equal(t, want[:flaw], got[:flaw])
		assert.Equal(t, want[6000:], got[flaw+1:], "another row group is spoiled")
		assert.True(t, strings.HasSuffix(got[flaw], fmt.Sprintf(`: {"rowGroup":1,"row":%d,"rows":%d}`, flaw-3000, 6000-flaw)), got[flaw])
	}
}

// One row that cannot be shown spoils no other.
func TestBrokenRows(t *testing.T) {
	type row struct {
		ID   int64    `parquet:"id"`
		Text []string `parquet:"text,list"`
		Doc  string   `parquet:"doc,json"`
		N    int64    `parquet:"n"`
	}
	data := write(t, []row{{1, []string{"a"}, "{}", 1}, {2, []string{"a", "\xff", "b"}, "[]", 2}, {3, []string{"x"}, "{oops", 3}, {4, []string{strings.Repeat("long", 50), "y"}, "1", 4}, {5, nil, "2", 5}})
	assert.Equal(t, []string{
		`{"id":1,"text":["a"],"doc":{},"n":1}`,
		`! row group 0, row 1: column text.list.element: not UTF-8: {"rowGroup":0,"row":1,"rows":1}`,
		`! row group 0, row 2: column doc: not JSON: {"rowGroup":0,"row":2,"rows":1}`,
		`! row group 0, row 3: row is too long: {"rowGroup":0,"row":3,"rows":1}`,
		`{"id":5,"text":[],"doc":2,"n":5}`,
	}, lines(t, Config{MaxRowBytes: 100}, data))
	assert.Equal(t, `{"id":2,"text":["a","�","b"],"doc":[],"n":2}`, lines(t, Config{UTF8: ReplaceUTF8}, data)[1])
}

func TestColumns(t *testing.T) {
	data := write(t, []everything{sample()})
	assert.Equal(t, []string{`{"i32":-5,"list":[1,2,3],"group":{"a":7,"b":["p","q"]}}`}, lines(t, Config{Columns: []string{"group", "list", "i32"}}, data))
	assert.NotContains(t, lines(t, Config{OmitNulls: true}, data)[0], "null")
	assert.Contains(t, lines(t, Config{OmitNulls: true}, data)[0], `"groups":[{"b":[]},{"a":7,"b":["r"]}]`)
	assert.Equal(t, []string{`{"v":"text"}`}, lines(t, Config{BinaryAsString: true}, packed(t, "text")))

	s, _ := over(t, Config{Columns: []string{"none"}}, data)
	_, _, err := read(s, "a.parquet")
	assert.ErrorContains(t, err, `there is no column "none"`)
	assert.True(t, fault.Is(err, fault.ClassCorrupt))
}

// What is no parquet is corrupt, and the error says why.
func TestDefects(t *testing.T) {
	good := packed(t, "text")
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":      {nil, "no parquet"},
		"text":         {[]byte("some text that is long enough"), "no parquet"},
		"cut off":      {good[:len(good)-1], "no parquet"},
		"encrypted":    {append(bytes.Clone(good[:len(good)-4]), "PARE"...), "encrypted"},
		"long footer":  {append(bytes.Clone(good[:len(good)-8]), "\xff\xff\xff\x7fPAR1"...), "footer"},
		"wrong footer": {append(bytes.Clone(good[:len(good)-8]), "\x10\x00\x00\x00PAR1"...), "footer"},
		"no schema":    {[]byte("PAR1\x15\x02\x00\x03\x00\x00\x00PAR1"), "footer"},
	} {
		s, _ := over(t, Config{}, c.data)
		got, _, err := read(s, "a.parquet")
		assert.Empty(t, got, name)
		require.Error(t, err, name)
		assert.True(t, fault.Is(err, fault.ClassCorrupt), name)
		assert.ErrorContains(t, err, c.says, name)
		assert.ErrorContains(t, err, `parquet: read "a.parquet": `, name)
	}
	s, _ := over(t, Config{MaxFooterBytes: 10}, good)
	_, _, err := read(s, "a.parquet")
	assert.ErrorContains(t, err, "over the limit of 10")
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := New(nil, Config{Match: []string{"["}, Columns: []string{"a", "a"}, UTF8: "drop", MaxTempBytes: -1, MaxMemoryBytes: -1, MaxFooterBytes: 1 << 40, MaxRowBytes: -1})
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	for _, field := range []string{"no source", "Match[0]", "Columns[1]", "UTF8", "MaxTempBytes", "MaxMemoryBytes", "MaxFooterBytes", "MaxRowBytes"} {
		assert.ErrorContains(t, err, field)
	}
}

func TestOffsets(t *testing.T) {
	s, m := over(t, Config{Match: []string{"*.parquet"}}, packed(t, "x"))
	_, _, err := s.Open(t.Context(), source.Object{Key: "a.parquet", Size: -1}, 1, -1)
	assert.ErrorIs(t, err, source.ErrNoRange)
	m.Put("b.json", []byte("{}"))
	got, found, err := read(s, "b.json")
	require.NoError(t, err)
	assert.Equal(t, "{}", got)
	assert.Empty(t, found.Encoding)
}

// A row group that needs more memory than is allowed is a flaw, and what is
// allowed is kept to.
func TestMemoryIsBounded(t *testing.T) {
	data, _ := large(t)
	m := &sourcetest.Memory{}
	m.Put("a.parquet", data)
	s, err := New(m, Config{MaxMemoryBytes: 100_000})
	require.NoError(t, err)
	got, _, err := read(s, "a.parquet")
	require.NoError(t, err)
	rows := records(t, got)
	require.NotEmpty(t, rows)
	assert.Contains(t, rows[len(rows)-1], errMemory.Error())

	most := 24
	if testing.Short() {
		most = 8
	}
	few, many := peak(t, 4), peak(t, most)
	t.Logf("live at most: %d bytes with 4 row groups of 1 MB, %d with %d", few, many, most)
	assert.Less(t, many, few+1<<20)
	assert.Less(t, many, int64(4<<20))
}

// peak is how much memory is live at most while an object is read that has as many
// row groups of 1 MB.
func peak(t *testing.T, groups int) int64 {
	type row struct {
		V []byte `parquet:"v"`
	}
	rows := make([]row, groups*1000)
	r := rand.NewChaCha8([32]byte{})
	for i := range rows {
		rows[i].V = make([]byte, 1000)
		_, _ = r.Read(rows[i].V)
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	require.NoError(t, os.WriteFile(path, write(t, rows, pq.MaxRowsPerRowGroup(1000), pq.PageBufferSize(64<<10)), 0o600))
	inner, err := dir.Open(filepath.Dir(path), dir.Config{})
	require.NoError(t, err)
	defer inner.Close()
	s, err := New(inner, Config{})
	require.NoError(t, err)

	live := func() int64 {
		var now runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools held is gone at the second
		runtime.ReadMemStats(&now)
		return int64(now.HeapAlloc)
	}
	base, most := live(), int64(0)
	body, _, err := s.Open(t.Context(), source.Object{Key: "a.parquet", Size: -1}, 0, -1)
	require.NoError(t, err)
	defer body.Close()
	for n, buf := 0, make([]byte, 64<<10); ; {
		k, err := body.Read(buf)
		if n += k; n>>20 != (n-k)>>20 {
			most = max(most, live()-base)
		}
		if err == io.EOF {
			return most
		}
		require.NoError(t, err)
	}
}

// A small object that claims to be a huge one is given up.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB are slow to read under the race detector")
	}
	type row struct {
		V int64 `parquet:"v,dict"`
	}
	rows := make([]row, 500_000)
	data := write(t, rows, pq.Compression(&pq.Zstd))
	require.Less(t, len(data), 100_000)
	s, _ := over(t, Config{MaxRatio: 1}, data)
	n, err := discard(s, "a.parquet")
	require.NoError(t, err, "what is below 64 MiB is free")
	assert.EqualValues(t, len("{\"v\":0}\n")*len(rows), n)

	type wide struct {
		Value int64 `parquet:"a_name_that_is_so_long_that_the_object_gets_longer_than_what_is_free,dict"`
	}
	data = write(t, make([]wide, 1_000_000), pq.Compression(&pq.Zstd))
	s, _ = over(t, Config{MaxRatio: 1}, data)
	n, err = discard(s, "a.parquet")
	assert.True(t, fault.Is(err, fault.ClassCorrupt), "%v", err)
	assert.ErrorContains(t, err, "more than 1 times as long")
	assert.Less(t, n, int64(freeBytes+2*batchBytes))
	s, _ = over(t, Config{MaxRatio: -1}, data)
	_, err = discard(s, "a.parquet")
	assert.NoError(t, err)
}

func discard(s source.Source, key string) (int64, error) {
	r, _, err := s.Open(context.Background(), source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 64<<10))
}

func TestConcurrentReaders(t *testing.T) {
	rows, want := trades(3000)
	s, _ := over(t, Config{}, write(t, rows, manyPages...))
	all := strings.Join(want, "\n") + "\n"
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, _, err := read(s, "a.parquet")
			assert.NoError(t, err)
			assert.Equal(t, sum(all), sum(got))
		})
	}
	wg.Wait()
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// sum stands for a text that is too long to be printed where it differs.
func sum(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }
