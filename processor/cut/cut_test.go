package cut_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/cut"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/quorum"
	"github.com/unspool-go/unspool/source/sourcetest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	testtool.Checks(30)
	goleak.VerifyTestMain(m)
}

// scene is a place to cut something in.
type scene struct {
	parts, corrupt string
	cfg            cut.Config
}

func newScene(t testing.TB, cfg cut.Config) scene {
	t.Helper()
	root := t.TempDir()
	s := scene{filepath.Join(root, "parts"), filepath.Join(root, "corrupt"), cfg}
	s.cfg.To, s.cfg.CorruptionURL = s.parts, s.corrupt
	return s
}

func (s scene) run(t testing.TB) cut.Report {
	t.Helper()
	c, err := cut.New(s.cfg)
	require.NoError(t, err)
	r, err := c.Run(t.Context())
	require.NoError(t, err)
	return r
}

func (s scene) object(t testing.TB, key string) cut.Manifest {
	t.Helper()
	c, err := cut.New(s.cfg)
	require.NoError(t, err)
	m, _, err := c.Object(t.Context(), source.Object{Key: key, Size: -1})
	require.NoError(t, err)
	return m
}

// files returns what a folder holds, hidden files too, names cut off behind the hash.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(data)
		return err
	})
	require.NoError(t, err)
	return all
}

// joined returns the parts of a manifest, one behind the other.
func joined(t testing.TB, all map[string]string, m cut.Manifest) string {
	t.Helper()
	var b strings.Builder
	for _, p := range m.Parts {
		content, ok := all[p.Name]
		require.True(t, ok, p.Name)
		require.Len(t, content, int(p.Bytes))
		b.WriteString(content)
	}
	return b.String()
}

func memory(files map[string]string) *sourcetest.Memory { return sourcetest.NewMemory(files) }

func TestParts(t *testing.T) {
	src := memory(map[string]string{"a/day.json": "{\"id\":1}\n{\"id\":22}\n\n{\"id\":3}\n{\n \"id\": 4}"})
	s := newScene(t, cut.Config{Source: src, PartBytes: 21})
	r := s.run(t)
	assert.Equal(t, cut.Report{Objects: 1, Cut: 1, Parts: 2, Records: 4, Bytes: 40}, r)
	all := files(t, s.parts)
	m := s.object(t, "a/day.json")
	require.Len(t, m.Parts, 2)
	folder := strings.TrimSuffix(m.Parts[0].Name, "/part000001-000000000000.ndjson")
	assert.Regexp(t, `^a/day\.json~[0-9a-f]{16}$`, folder)
	assert.Equal(t, folder+"/part000002-000000000020.ndjson", m.Parts[1].Name)
	assert.Equal(t, "{\"id\":1}\n{\"id\":22}\n", all[m.Parts[0].Name])
	assert.Equal(t, "{\"id\":3}\n{  \"id\": 4}\n", all[m.Parts[1].Name])
	assert.Contains(t, all, folder+"/"+cut.ManifestName)
	assert.Len(t, all, 3)
	assert.Equal(t, m.Bytes, m.PreambleBytes+m.SeparatorBytes+m.HeaderBytes+m.RecordBytes+m.CorruptBytes)

	// Again: nothing is done, and nothing read but the beginning.
	assert.Equal(t, cut.Report{Objects: 1, Done: 1}, s.run(t))
	assert.Equal(t, all, files(t, s.parts))

	// Another version is another object.
	src.Put("a/day.json", []byte("{}"))
	assert.EqualValues(t, 1, s.run(t).Cut)
	assert.Len(t, files(t, s.parts), 5)
}

func TestByRecordsWithHeader(t *testing.T) {
	src := memory(map[string]string{"x.csv": "id,n\r\n1,a\r\n2,b\n3,c", "head.csv": "id,n", "none.csv": ""})
	s := newScene(t, cut.Config{
		Source: src, PartRecords: 2, Header: 1, Ext: ".csv",
		Split: source.Split{Format: source.FormatLines, Raw: true},
	})
	r := s.run(t)
	assert.EqualValues(t, 3, r.Records)
	assert.EqualValues(t, 2, r.Parts)
	m, all := s.object(t, "x.csv"), files(t, s.parts)
	assert.Equal(t, "id,n\n1,a\n2,b\n", all[m.Parts[0].Name])
	assert.Equal(t, "id,n\n3,c\n", all[m.Parts[1].Name])
	assert.EqualValues(t, 4, m.HeaderBytes)
	assert.Empty(t, s.object(t, "head.csv").Parts)
	assert.Empty(t, s.object(t, "none.csv").Parts)
}

func TestCompressedParts(t *testing.T) {
	var in strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&in, "{\"id\":%d}\n", i)
	}
	for _, ext := range []string{".ndjson.gz", ".ndjson.zst"} {
		s := newScene(t, cut.Config{Source: memory(map[string]string{"o": in.String()}), PartBytes: 10_000, Ext: ext})
		assert.EqualValues(t, 3, s.run(t).Parts)
		folder, err := dir.Open(s.parts, dir.Config{})
		require.NoError(t, err)
		plain, err := decompress.New(folder, decompress.Config{})
		require.NoError(t, err)
		assert.Equal(t, in.String(), together(t, plain))
		require.NoError(t, folder.Close())
		assert.EqualValues(t, 1, s.run(t).Done)
	}
}

// together returns what source/quorum makes of the parts of the only object.
func together(t testing.TB, parts source.Source) string {
	t.Helper()
	merged, err := quorum.New(parts, quorum.Config{Name: cut.ManifestName})
	require.NoError(t, err)
	for o, err := range merged.Objects(t.Context()) {
		require.NoError(t, err)
		r, _, err := merged.Open(t.Context(), o, 0, -1)
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, errors.Join(err, r.Close()))
		return string(data)
	}
	return ""
}

// corrupted returns the data of the envelopes in a folder.
func corrupted(t testing.TB, dir string) (data []string) {
	t.Helper()
	for _, content := range files(t, dir) {
		for env, err := range destination.ReadEnvelopes(strings.NewReader(content), 1<<24) {
			require.NoError(t, err)
			data = append(data, string(env.Data))
		}
	}
	return data
}

// What is corrupt is told apart, once, and keeps nothing else back.
func TestCorruptRecords(t *testing.T) {
	long := "\"" + strings.Repeat("x", 700_000) + "\""
	in := "{\"id\":1}\n{broken\n" + long + "\n{\"id\":2}\n"
	src := memory(map[string]string{"o": in})
	s := newScene(t, cut.Config{Source: src, Split: source.Split{Format: source.FormatLines, MaxRecordBytes: 1000}})
	for range 2 {
		s.run(t)
		m := s.object(t, "o")
		assert.EqualValues(t, 2, m.Records)
		assert.EqualValues(t, 2, m.Corrupt)
		assert.Equal(t, m.Bytes, m.PreambleBytes+m.SeparatorBytes+m.HeaderBytes+m.RecordBytes+m.CorruptBytes)
		assert.Equal(t, "{\"id\":1}\n{\"id\":2}\n", joined(t, files(t, s.parts), m))
		assert.Equal(t, []string{"{broken", long}, corrupted(t, s.corrupt))
		assert.Len(t, files(t, s.corrupt), 1)
	}
}

// What can be read of a truncated archive is cut, and the rest is told.
func TestTruncatedArchive(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, "{\"id\":1}\n{\"id\":2}\n{\"i")
	require.NoError(t, errors.Join(err, z.Flush()))
	plain, err := decompress.New(memory(map[string]string{"o.gz": packed.String()}), decompress.Config{})
	require.NoError(t, err)
	s := newScene(t, cut.Config{Source: plain, PartRecords: 1})
	r := s.run(t)
	assert.EqualValues(t, 2, r.Records)
	assert.EqualValues(t, 1, r.Corrupt)
	assert.Equal(t, []string{"{\"i"}, corrupted(t, s.corrupt))
	m := s.object(t, "o.gz")
	assert.Equal(t, "{\"id\":1}\n{\"id\":2}\n", joined(t, files(t, s.parts), m))
	assert.EqualValues(t, 21, m.Bytes)
}

// Cut off at any place, and at any place again, an object comes to the same parts;
// no half of one is ever visible, and the manifest comes last.
func TestCutOffAnywhere(t *testing.T) {
	away := fault.Interrupted(errors.New("away"))
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.OneOf(
			rapid.StringMatching(`\{"[a-z]{1,9}":[0-9]{1,30}\}`), rapid.StringMatching(`"[a-z]{0,40}"`),
			rapid.Just("[1,\n2]"), rapid.Just("{broken"), rapid.StringMatching(`[0-9]{1,3}`),
		)
		records := rapid.SliceOfN(record, 0, 12).Draw(t, "records")
		in := strings.Join(records, rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"}).Draw(t, "between")) + rapid.SampledFrom([]string{"", "\n"}).Draw(t, "end")
		cfg := cut.Config{
			PartBytes:   rapid.Int64Range(1, 100).Draw(t, "bytes"),
			PartRecords: rapid.Int64Range(0, 5).Draw(t, "records in a part"),
			Split:       source.Split{Format: rapid.SampledFrom([]source.Format{source.FormatAuto, source.FormatLines}).Draw(t, "format"), MaxRecordBytes: 30},
		}
		whole, wholeCorrupt := cutAll(t, cfg, memory(map[string]string{"o": in}))

		root, err := os.MkdirTemp("", "cut") //nolint:usetesting // one for each of the examples that rapid makes
		require.NoError(t, err)
		defer os.RemoveAll(root)
		src := memory(map[string]string{"o": in})
		for range 3 {
			src.Inject("o", sourcetest.Fault{At: rapid.Int64Range(0, int64(len(in))).Draw(t, "cut off at"), Err: away, Times: 1})
		}
		cfg.Source, cfg.To, cfg.CorruptionURL = src, filepath.Join(root, "parts"), filepath.Join(root, "corrupt")
		c, err := cut.New(cfg)
		require.NoError(t, err)
		for {
			_, _, err := c.Object(context.Background(), source.Object{Key: "o", Size: -1})
			got, _ := tree(t, cfg.To)
			for name, content := range got {
				require.Equal(t, whole[name], content, name)
			}
			if err == nil {
				require.Equal(t, whole, got)
				break
			}
			require.ErrorIs(t, err, away)
			for name := range got {
				require.NotContains(t, name, cut.ManifestName)
			}
		}
		corrupt, _ := tree(t, cfg.CorruptionURL)
		require.Equal(t, wholeCorrupt, corrupt)
	})
}

// cutAll cuts the object "o" at once, and checks it against a plain reading.
func cutAll(t *rapid.T, cfg cut.Config, src source.Source) (parts, corrupt map[string]string) {
	root, err := os.MkdirTemp("", "cut")
	require.NoError(t, err)
	defer os.RemoveAll(root)
	cfg.Source, cfg.To, cfg.CorruptionURL = src, filepath.Join(root, "parts"), filepath.Join(root, "corrupt")
	c, err := cut.New(cfg)
	require.NoError(t, err)
	m, fresh, err := c.Object(context.Background(), source.Object{Key: "o", Size: -1})
	require.NoError(t, err)
	require.True(t, fresh)
	parts, _ = tree(t, cfg.To)
	corrupt, _ = tree(t, cfg.CorruptionURL)

	want, bad := plainly(t, src, cfg.Split)
	var got []string
	for _, p := range m.Parts {
		lines := strings.SplitAfter(parts[p.Name], "\n")
		lines = lines[:len(lines)-1]
		require.Len(t, lines, int(p.Records))
		require.True(t, p.Bytes <= cfg.PartBytes || len(lines) == 1)
		require.True(t, cfg.PartRecords == 0 || p.Records <= cfg.PartRecords)
		got = append(got, lines...)
	}
	require.Equal(t, want, got)
	require.EqualValues(t, len(want), m.Records)
	require.EqualValues(t, bad, m.Corrupt)
	require.Equal(t, m.Bytes, m.PreambleBytes+m.SeparatorBytes+m.HeaderBytes+m.RecordBytes+m.CorruptBytes)
	return parts, corrupt
}

// plainly reads the records of the object "o", each as a line, and counts those that
// are corrupt.
func plainly(t *rapid.T, src source.Source, split source.Split) (lines []string, bad int) {
	r, _, err := src.Open(context.Background(), source.Object{Key: "o", Size: -1}, 0, -1)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	s, err := source.NewSplitter(split)
	require.NoError(t, err)
	for {
		tok := s.Next(data, true)
		switch tok.Kind {
		case source.TokenRecord:
			lines = append(lines, strings.NewReplacer("\n", " ", "\r", " ").Replace(string(data[tok.Start:tok.End]))+"\n")
		case source.TokenCorrupt:
			if !tok.Continues {
				bad++
			}
		case source.TokenEnd:
			return lines, bad
		case source.TokenMore:
		}
		data = data[tok.Advance:]
	}
}

// tree is files for rapid.
func tree(t *rapid.T, dir string) (all map[string]string, names []string) {
	all = map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(data)
		names = append(names, name)
		return err
	})
	require.NoError(t, err)
	slices.Sort(names)
	return all, names
}

// What is there is never replaced: the object is not done.
func TestSomethingInTheWay(t *testing.T) {
	s := newScene(t, cut.Config{Source: memory(map[string]string{"o": "1\n2\n"}), PartRecords: 1})
	m := s.object(t, "o")
	other := newScene(t, s.cfg)
	path := filepath.Join(other.parts, filepath.FromSlash(m.Parts[1].Name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	c, err := cut.New(other.cfg)
	require.NoError(t, err)
	r, err := c.Run(t.Context())
	require.ErrorIs(t, err, destination.ErrDiffers)
	assert.EqualValues(t, 1, r.Failed)
	all := files(t, other.parts)
	assert.Equal(t, "mine", all[m.Parts[1].Name])
	assert.Len(t, all, 2, "no manifest")
}

// An object that fails holds nothing up.
func TestRunGoesOn(t *testing.T) {
	src := memory(map[string]string{"a": "1\n", "b": "2\n", "c": "3\n", "d": "4\n"})
	src.Inject("a", sourcetest.Fault{At: 1, Err: errors.New("bad sector")})
	src.Inject("b", sourcetest.Fault{At: 0, Do: func() { src.Delete("b") }})
	src.Inject("c", sourcetest.Fault{At: 1, Do: func() { src.Put("c", []byte("5\n")) }, Times: 1})
	s := newScene(t, cut.Config{Source: src, Concurrency: 3})
	c, err := cut.New(s.cfg)
	require.NoError(t, err)
	r, err := c.Run(t.Context())
	require.ErrorContains(t, err, "bad sector")
	require.ErrorIs(t, err, source.ErrChanged)
	assert.Equal(t, cut.Report{Objects: 4, Cut: 1, Vanished: 1, Changed: 1, Failed: 1, Parts: 1, Records: 1, Bytes: 2}, r)

	src.Inject("d", sourcetest.Fault{At: 1, Err: fault.Fatal(errors.New("denied"))})
	src.Put("d", []byte("6\n"))
	r, err = c.Run(t.Context())
	require.ErrorContains(t, err, "denied")
	assert.Positive(t, r.Failed)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestMistakesAreNamedAtOnce(t *testing.T) {
	_, err := cut.New(cut.Config{
		Split: source.Split{Format: "x"}, CorruptionURL: "c/$UUID", PartBytes: -1, PartRecords: -1, Header: 1, Ext: "gz", Concurrency: -1,
	})
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	for _, field := range []string{"Source", "Split", "To", "CorruptionURL", "PartBytes", "PartRecords", "Header", "Ext", "Concurrency"} {
		assert.ErrorContains(t, err, "Config."+field)
	}
	root := t.TempDir()
	folder, err := dir.Open(root, dir.Config{})
	require.NoError(t, err)
	defer folder.Close()
	_, err = cut.New(cut.Config{Source: folder, To: root + "/parts", CorruptionURL: t.TempDir(), Split: source.Split{Format: source.FormatWhole}})
	require.ErrorContains(t, err, "Config.To")
	require.ErrorContains(t, err, "Config.Split.Format")
}

func ExampleCutter_Run() {
	to, err := os.MkdirTemp("", "parts")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(to)
	c, err := cut.New(cut.Config{
		Source: sourcetest.NewMemory(map[string]string{"day.ndjson": "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n"}),
		To:     to + "/parts", CorruptionURL: to + "/corrupt",
		PartRecords: 2,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := c.Run(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := json.Marshal(report)
	fmt.Println(string(text))
	parts, _ := filepath.Glob(to + "/parts/day.ndjson~*/part*.ndjson")
	for _, part := range parts {
		content, _ := os.ReadFile(part)
		fmt.Printf("%s: %q\n", filepath.Base(part), content)
	}
	// Output:
	// {"objects":1,"cut":1,"done":0,"vanished":0,"changed":0,"failed":0,"parts":2,"records":3,"corrupt":0,"refused":0,"bytes":27}
	// part000001-000000000000.ndjson: "{\"id\":1}\n{\"id\":2}\n"
	// part000002-000000000018.ndjson: "{\"id\":3}\n"
}
