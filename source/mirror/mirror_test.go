package mirror_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/mirror"
	"github.com/unspool-go/unspool/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mirrored(t testing.TB, src source.Source, to string) source.Source {
	t.Helper()
	s, err := mirror.New(src, to)
	require.NoError(t, err)
	return s
}

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		m := sourcetest.NewMemory(files)
		return sourcetest.Fixture{
			Source: mirrored(t, m, t.TempDir()),
			Write:  func(key, content string) error { m.Put(key, []byte(content)); return nil },
			Remove: func(key string) error { m.Delete(key); return nil },
		}
	})
}

func read(ctx context.Context, src source.Source, key string) (string, error) {
	r, _, err := src.Open(ctx, source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), errors.Join(err, r.Close())
}

func readSmall(ctx context.Context, src source.Source, key string) (string, error) {
	data, _, err := src.(source.SmallReader).ReadObject(ctx, source.Object{Key: key, Size: -1}, nil, 1<<20)
	return string(data), err
}

var ways = map[string]func(context.Context, source.Source, string) (string, error){"open": read, "small": readSmall}

// copies returns what the folder holds, hidden files too.
func copies(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(data)
		return err
	}))
	return all
}

// An object is copied before the first byte of it is given out, once for each
// version, and no copy replaces another.
func TestCopyComesFirst(t *testing.T) {
	for name, read := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m := sourcetest.NewMemory(map[string]string{"a/b.json.gz": "one"})
			s := mirrored(t, m, dir)
			for range 3 {
				got, err := read(t.Context(), s, "a/b.json.gz")
				require.NoError(t, err)
				assert.Equal(t, "one", got)
			}
			assert.Equal(t, map[string]string{"a/b.json.gz": "one"}, copies(t, dir))

			// Another process, which does not know of that.
			s = mirrored(t, m, dir)
			_, err := read(t.Context(), s, "a/b.json.gz")
			require.NoError(t, err)
			assert.Len(t, copies(t, dir), 1)

			m.Put("a/b.json.gz", []byte("two"))
			got, err := read(t.Context(), s, "a/b.json.gz")
			require.NoError(t, err)
			assert.Equal(t, "two", got)
			all := copies(t, dir)
			require.Len(t, all, 2)
			assert.Equal(t, "one", all["a/b.json.gz"])
			delete(all, "a/b.json.gz")
			for name, content := range all {
				assert.Regexp(t, `^a/b~[0-9a-f]{16}\.json\.gz$`, name)
				assert.Equal(t, "two", content)
			}

			_, err = read(t.Context(), mirrored(t, m, dir), "a/b.json.gz")
			require.NoError(t, err)
			assert.Len(t, copies(t, dir), 2, "a further version has one name")
		})
	}
}

// Where the copy cannot be made nothing is read, and nobody's data is at fault.
func TestNoCopyNoObject(t *testing.T) {
	for name, read := range ways {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(file, nil, 0o600))
			s := mirrored(t, sourcetest.NewMemory(map[string]string{"a": "one"}), filepath.Join(file, "folder"))
			got, err := read(t.Context(), s, "a")
			require.Error(t, err)
			assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
			assert.ErrorContains(t, err, `"a"`)
			assert.Empty(t, got)
		})
	}
}

// Of an object that cannot be read to its end there is no copy, not even a part.
func TestHalfACopyIsNone(t *testing.T) {
	for name, read := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			away := fault.Interrupted(errors.New("away"))
			m := sourcetest.NewMemory(map[string]string{"a": strings.Repeat("x", 100_000)})
			m.Inject("a", sourcetest.Fault{At: 90_000, Err: away, Times: 1})
			s := mirrored(t, m, dir)
			_, err := read(t.Context(), s, "a")
			require.ErrorIs(t, err, away)
			assert.Empty(t, copies(t, dir))

			m.Inject("a", sourcetest.Fault{At: 90_000, Do: func() { m.Put("a", []byte(strings.Repeat("y", 100_000))) }, Times: 1})
			_, err = read(t.Context(), s, "a")
			require.ErrorIs(t, err, source.ErrChanged)
			assert.Empty(t, copies(t, dir))

			_, err = read(t.Context(), s, "a")
			require.NoError(t, err)
			assert.Len(t, copies(t, dir), 1)
		})
	}
}

// What is copied is what is stored, whichever of the two wraps the other.
func TestWhatIsStoredIsCopied(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, "{}\n")
	require.NoError(t, errors.Join(err, z.Close()))
	m := sourcetest.NewMemory(map[string]string{"a.gz": packed.String()})
	for name, wrap := range map[string]func(dir string) source.Source{
		"decode what is mirrored": func(dir string) source.Source {
			s, err := decompress.New(mirrored(t, m, dir), decompress.Config{})
			require.NoError(t, err)
			return s
		},
		"mirror what is decoded": func(dir string) source.Source {
			s, err := decompress.New(m, decompress.Config{})
			require.NoError(t, err)
			return mirrored(t, s, dir)
		},
	} {
		for way, read := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				dir := t.TempDir()
				got, err := read(t.Context(), wrap(dir), "a.gz")
				require.NoError(t, err)
				assert.Equal(t, "{}\n", got)
				assert.Equal(t, map[string]string{"a.gz": packed.String()}, copies(t, dir))
			})
		}
	}
}

// Many that open the same objects at once make one copy of each version, whatever
// names and contents there are.
func TestCopiesAreWholeAndUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "mirror") //nolint:usetesting // one for each of the examples that rapid makes
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		key := rapid.StringMatching(`[a-z.]{0,2}[a-z]/?[a-z%A-F2]{0,3}[ü\x01.]?[a-z]{1,2}`)
		files := rapid.MapOfN(key, rapid.SampledFrom([]string{"", "one", "two"}), 1, 4).Draw(t, "files")
		m := sourcetest.NewMemory(files)
		one, err := mirror.New(m, dir)
		require.NoError(t, err)
		two, err := mirror.New(m, dir)
		require.NoError(t, err)
		var mu sync.Mutex
		var errs []error
		var wg sync.WaitGroup
		for key, content := range files {
			for _, s := range []source.Source{one, two} {
				for _, read := range ways {
					wg.Go(func() {
						got, err := read(context.Background(), s, key)
						if err == nil && got != content {
							err = fmt.Errorf("%q: got %q, want %q", key, got, content)
						}
						mu.Lock()
						defer mu.Unlock()
						errs = append(errs, err)
					})
				}
			}
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			// A key may be the folder of another one: such a copy cannot be made here.
			if !strings.Contains(err.Error(), "directory") {
				t.Fatal(err)
			}
			return
		}
		entries := 0
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				entries++
			}
			return err
		})
		require.NoError(t, err)
		assert.LessOrEqual(t, entries, len(files))
		assert.Positive(t, entries)
	})
}

func TestMistakesAreNamedAtOnce(t *testing.T) {
	_, err := mirror.New(nil, "gopher://x/y")
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	assert.ErrorContains(t, err, "no source")
	assert.ErrorContains(t, err, "gopher")
	_, err = mirror.New(sourcetest.NewMemory(nil), "copies/$TimePath")
	assert.ErrorContains(t, err, "macros")
}

func ExampleNew() {
	dir, err := os.MkdirTemp("", "copies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	files := sourcetest.NewMemory(map[string]string{"day/one.json": `{"id":1}`})
	src, err := mirror.New(files, dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, _, err := src.Open(context.Background(), source.Object{Key: "day/one.json", Size: -1}, 0, -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	data, err := os.ReadFile(filepath.Join(dir, "day", "one.json"))
	fmt.Println(string(data), err)
	// Output: {"id":1} <nil>
}

// Once an object is copied, reading it costs nothing more.
func TestCopiedOnce(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"a": "one"})
	s := mirrored(t, m, t.TempDir())
	var listed source.Object
	for o, err := range s.Objects(t.Context()) {
		require.NoError(t, err)
		listed = o
	}
	for i := range 3 {
		r, _, err := s.Open(t.Context(), listed, 0, -1)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		assert.Equal(t, 2+i, m.Opened("a"), "to be copied, and each time it is read")
	}
	_, _, err := s.(source.SmallReader).ReadObject(t.Context(), listed, nil, 100)
	require.NoError(t, err)
	assert.Equal(t, 5, m.Opened("a"))
}
