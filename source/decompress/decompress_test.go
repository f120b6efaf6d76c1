package decompress

import (
	"bytes"
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// Objects that are not compressed are those of the inner source, and compressed
// ones keep to the same rules. The names of the suite end in nothing that says so.
func TestConformance(t *testing.T) {
	plain := func(_ testing.TB, data string) []byte { return []byte(data) }
	for name, pack := range map[string]func(testing.TB, string) []byte{
		"plain": plain, "gzip": compress["gz"], "zstd": compress["zst"], "xz": compress["xz"],
	} {
		if testtool.Brief() && (name == "xz" || name == "plain") {
			continue // xz is slow, very much so under the race detector, and has no goroutines
		}
		pack := remembering(pack)
		t.Run(name, func(t *testing.T) {
			if name == "plain" || name == "gzip" {
				t.Run("dir", func(t *testing.T) { sourcetest.Run(t, dirHarness(pack)) })
			}
			t.Run("memory", func(t *testing.T) { sourcetest.Run(t, memoryHarness(pack)) })
		})
	}
}

// remembering compresses the same data once: the suite has large objects, and the
// race detector makes compressing a hundred times as slow.
func remembering(pack func(testing.TB, string) []byte) func(testing.TB, string) []byte {
	var mu sync.Mutex
	known := map[string][]byte{}
	return func(t testing.TB, data string) []byte {
		mu.Lock()
		defer mu.Unlock()
		if known[data] == nil {
			known[data] = pack(t, data)
		}
		return bytes.Clone(known[data])
	}
}

func dirHarness(pack func(testing.TB, string) []byte) sourcetest.Harness {
	return func(t testing.TB, files map[string]string) sourcetest.Fixture {
		root := t.TempDir()
		then := time.Now().Add(-time.Hour)
		write := func(key, content string) error {
			path := filepath.Join(root, filepath.FromSlash(key))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, pack(t, content), 0o644); err != nil {
				return err
			}
			then = then.Add(time.Second)
			return os.Chtimes(path, then, then)
		}
		for key, content := range files {
			require.NoError(t, write(key, content))
		}
		inner, err := dir.Open(root, dir.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { inner.Close() })
		s, err := New(inner, Config{})
		require.NoError(t, err)
		return sourcetest.Fixture{
			Source: s, Write: write,
			Remove: func(key string) error { return os.Remove(filepath.Join(root, filepath.FromSlash(key))) },
		}
	}
}

func memoryHarness(pack func(testing.TB, string) []byte) sourcetest.Harness {
	return func(t testing.TB, files map[string]string) sourcetest.Fixture {
		m := &sourcetest.Memory{}
		for key, content := range files {
			m.Put(key, pack(t, content))
		}
		s, err := New(m, Config{})
		require.NoError(t, err)
		return sourcetest.Fixture{
			Source: s,
			Write:  func(key, content string) error { m.Put(key, pack(t, content)); return nil },
			Remove: func(key string) error { m.Delete(key); return nil },
		}
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := New(nil, Config{Detect: "guess", MaxWindowBytes: 1})
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	for _, field := range []string{"no source", "Config.Detect", "Config.MaxWindowBytes"} {
		assert.ErrorContains(t, err, field)
	}
}

// How an object is seen by its name and its first bytes.
func TestDetect(t *testing.T) {
	const text = "{\"id\":1}\n"
	gz, bz := string(vector(t, "records.json.gz")), string(vector(t, "records.json.bz2"))
	for name, c := range map[string]struct {
		key, stored      string
		auto, name, byte codec
	}{
		"plain":                         {"a.json", text, plain, plain, plain},
		"empty":                         {"a.json", "", plain, plain, plain},
		"as the name says":              {"a.json.gz", gz, gzipped, gzipped, gzipped},
		"in capitals":                   {"A.JSON.GZ", gz, gzipped, gzipped, gzipped},
		"no name":                       {"a.json", gz, gzipped, plain, gzipped},
		"another name":                  {"a.json.zst", gz, gzipped, zstandard, gzipped},
		"bzip2 without a name":          {"a", bz, bzipped, plain, bzipped},
		"text that begins like bzip2":   {"a", "BZh9 is how bzip2 begins", plain, plain, plain},
		"decoded by the transport":      {"a.json.gz", text, plain, gzipped, plain},
		"text in Chinese":               {"a.json.gz", "\ufeff" + strings.Repeat("文", 400), plain, gzipped, plain},
		"empty, by the name compressed": {"a.json.gz", "", gzipped, gzipped, plain},
		"garbage":                       {"a.json.gz", "\x00\x01\x02", gzipped, gzipped, plain},
		"garbage behind text":           {"a.json.gz", text + "\xff\xfe", gzipped, gzipped, plain},
		"one byte":                      {"a.json.bz2", "B", bzipped, bzipped, plain},
		"a folder's name":               {"a.gz/b.json", text, plain, plain, plain},
	} {
		head := []byte(c.stored[:min(len(c.stored), headBytes)])
		assert.Equal(t, c.auto, DetectAuto.codec(c.key, head), name)
		assert.Equal(t, c.name, DetectName.codec(c.key, head), name)
		assert.Equal(t, c.byte, DetectMagic.codec(c.key, head), name)
	}
}

func TestOffsets(t *testing.T) {
	content := string(vector(t, "records.json"))
	for _, detect := range []Detect{DetectAuto, DetectName, DetectMagic} {
		s, m := over(t, Config{Detect: detect}, "a.json.gz", vector(t, "records.json.gz"))
		m.Put("b.json", []byte(content))
		_, _, err := s.Open(t.Context(), source.Object{Key: "a.json.gz", Size: -1}, 10, -1)
		assert.ErrorIs(t, err, source.ErrNoRange, detect)
		r, found, err := s.Open(t.Context(), source.Object{Key: "b.json", Size: -1}, 10, 20)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, content[10:30], string(got))
		assert.Empty(t, found.Encoding)
	}
}

// Whoever sees an object undecoded sees the same one.
func TestAnObjectIsWhatIsStored(t *testing.T) {
	s, m := over(t, Config{}, "a.json.gz", vector(t, "records.json.gz"))
	stored, err := first(m.Objects(t.Context()))
	require.NoError(t, err)
	listed, err := first(s.Objects(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, stored, listed)
	r, found, err := s.Open(t.Context(), stored, 0, -1)
	require.NoError(t, err)
	r.Close()
	assert.Equal(t, "gzip", found.Encoding)
	assert.Equal(t, stored.Identity(), found.Identity())
	assert.True(t, stored.SameAs(found))
	found.Encoding = ""
	assert.Equal(t, stored, found)
	assert.Same(t, m, s.(source.Decoder).Stored())
}

func first(objects iter.Seq2[source.Object, error]) (source.Object, error) {
	for o, err := range objects {
		return o, err
	}
	return source.Object{}, nil
}

// The optional parts are there if and only if the inner source has them.
func TestPartsAreThoseOfTheInnerSource(t *testing.T) {
	type bare struct{ source.Source }
	type small = source.SmallReader
	type remover = source.Remover
	type mover = source.Mover
	type watcher = source.Watcher
	for _, inner := range []source.Source{
		bare{},
		struct {
			bare
			small
		}{},
		struct {
			bare
			remover
		}{},
		struct {
			bare
			small
			remover
		}{},
		struct {
			bare
			mover
		}{},
		struct {
			bare
			small
			mover
		}{},
		struct {
			bare
			watcher
		}{},
		struct {
			bare
			small
			watcher
		}{},
		struct {
			bare
			remover
			watcher
		}{},
		struct {
			bare
			small
			remover
			watcher
		}{},
		struct {
			bare
			mover
			watcher
		}{},
		struct {
			bare
			small
			mover
			watcher
		}{},
	} {
		s, err := New(inner, Config{})
		require.NoError(t, err)
		_, want := inner.(source.SmallReader)
		_, got := s.(source.SmallReader)
		assert.Equal(t, want, got, "%T: SmallReader", inner)
		_, want = inner.(source.Remover)
		_, got = s.(source.Remover)
		assert.Equal(t, want, got, "%T: Remover", inner)
		_, want = inner.(source.Mover)
		_, got = s.(source.Mover)
		assert.Equal(t, want, got, "%T: Mover", inner)
		_, want = inner.(source.Watcher)
		_, got = s.(source.Watcher)
		assert.Equal(t, want, got, "%T: Watcher", inner)
		assert.Implements(t, (*source.Relister)(nil), s)
		assert.Implements(t, (*source.Decoder)(nil), s)
	}
}

func TestPartsAreForwarded(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.json.gz"), vector(t, "records.json.gz"), 0o644))
	inner, err := dir.Open(root, dir.Config{Stat: true})
	require.NoError(t, err)
	defer inner.Close()
	s, err := New(inner, Config{})
	require.NoError(t, err)
	assert.Equal(t, inner.URL(), s.(interface{ URL() string }).URL())

	o, err := first(s.Objects(t.Context()))
	require.NoError(t, err)
	now, _, err := s.(source.Remover).Stat(t.Context(), o.Key)
	require.NoError(t, err)
	assert.Equal(t, o, now)
	r, found, err := s.Open(t.Context(), o, 0, -1)
	require.NoError(t, err)
	r.Close()
	changed := found
	changed.Size++
	assert.ErrorIs(t, s.(source.Remover).Remove(t.Context(), []source.Object{changed})[0], source.ErrChanged)
	assert.NoError(t, s.(source.Remover).Remove(t.Context(), []source.Object{found})[0])
	_, err = os.Stat(filepath.Join(root, "a.json.gz"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	// A source that is no Relister may always have more.
	s, _ = over(t, Config{}, "a", nil)
	objects, more := s.(source.Relister).List(context.Background())
	for range objects {
		continue
	}
	assert.True(t, more())
	assert.Equal(t, noPlace, s.(interface{ URL() string }).URL())
}
