package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/quorum"
	"github.com/unspool-go/unspool/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var success = quorum.Config{Name: "_SUCCESS"}

func merged(t testing.TB, src source.Source, cfg quorum.Config) source.Source {
	t.Helper()
	s, err := quorum.New(src, cfg)
	require.NoError(t, err)
	return s
}

func separate(t testing.TB, src source.Source, cfg quorum.Config) source.Source {
	t.Helper()
	s, err := quorum.NewEach(src, cfg)
	require.NoError(t, err)
	return s
}

// The suite wants keys of its own: each of its files is a folder here.
func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		m := sourcetest.NewMemory(nil)
		put := func(key, content string) error {
			m.Put(key+"/part", []byte(content))
			m.Put(key+"/_SUCCESS", nil)
			return nil
		}
		for key, content := range files {
			require.NoError(t, put(key, content))
		}
		return sourcetest.Fixture{
			Source: folders{merged(t, m, success)},
			Write:  put,
			Remove: func(key string) error { m.Delete(key + "/_SUCCESS"); return nil },
		}
	})
}

// folders names what is put together by its folder.
type folders struct{ inner source.Source }

func (s folders) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for o, err := range s.inner.Objects(ctx) {
			o.Key = strings.TrimSuffix(o.Key, "/_SUCCESS")
			if !yield(o, err) {
				return
			}
		}
	}
}

func (s folders) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	o.Key += "/_SUCCESS"
	r, found, err := s.inner.Open(ctx, o, off, n)
	found.Key = strings.TrimSuffix(found.Key, "/_SUCCESS")
	return r, found, err
}

func TestConformanceOfEach(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		m := sourcetest.NewMemory(files)
		put := func(key, content string) error {
			m.Put(key, []byte(content))
			m.Put(source.FolderOf(key)+"/_SUCCESS", nil)
			return nil
		}
		for key := range files {
			m.Put(strings.TrimPrefix(source.FolderOf(key)+"/_SUCCESS", "/"), nil)
		}
		return sourcetest.Fixture{
			Source: separate(t, m, success),
			Write:  put,
			Remove: func(key string) error { m.Delete(key); return nil },
		}
	})
}

func keys(t testing.TB, objects iter.Seq2[source.Object, error]) (keys []string) {
	t.Helper()
	for o, err := range objects {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	slices.Sort(keys)
	return keys
}

func read(ctx context.Context, src source.Source, o source.Object) (string, source.Object, error) {
	r, found, err := src.Open(ctx, o, 0, -1)
	if err != nil {
		return "", found, err
	}
	data, err := io.ReadAll(r)
	return string(data), found, errors.Join(err, r.Close())
}

func object(key string) source.Object { return source.Object{Key: key, Size: -1} }

// Of cloudless, defect 20: the last row of one sibling and the first of the next
// were one row.
func TestDefect20RowsAreNotFused(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{
		"d/1": "a\nb", "d/2": "", "d/3": "c\n", "d/4": "d", "d/5": "\n", "d/6": "e", "d/_SUCCESS": "ignored", "d/sub/7": "no sibling", "8": "no sibling",
	})
	got, found, err := read(t.Context(), merged(t, m, success), object("d/_SUCCESS"))
	require.NoError(t, err)
	assert.Equal(t, "a\nb\nc\nd\n\ne", got)
	assert.Equal(t, "d/_SUCCESS", found.Key)
	assert.Equal(t, "merged", found.Encoding)
	assert.EqualValues(t, -1, found.Size)
}

func TestOnlyWhatIsMarkedIsListed(t *testing.T) {
	files := map[string]string{
		"_SUCCESS": "", "a": "", "x/_SUCCESS": "", "x/a": "", "x/b": "", "y/a": "", "y/_SUCCESS.crc": "",
		"z/a.csv": "", "z/a.2.csv": "", "z/ab.csv": "", "z/a.done": "", "z/b.done": "", "z/.done": "", "z/a": "",
	}
	m := sourcetest.NewMemory(files)
	stem := quorum.Config{Ext: ".done", ByStem: true}
	ext := quorum.Config{Ext: ".done"}
	assert.Equal(t, []string{"_SUCCESS", "x/_SUCCESS"}, keys(t, merged(t, m, success).Objects(t.Context())))
	assert.Equal(t, []string{"z/.done"}, keys(t, merged(t, m, ext).Objects(t.Context())), "one, however many markers")
	assert.Equal(t, []string{"z/a.done", "z/b.done"}, keys(t, merged(t, m, stem).Objects(t.Context())))
	assert.Equal(t, []string{"a", "x/a", "x/b"}, keys(t, separate(t, m, success).Objects(t.Context())))
	assert.Equal(t, []string{"z/a", "z/a.2.csv", "z/a.csv", "z/ab.csv"}, keys(t, separate(t, m, ext).Objects(t.Context())))
	assert.Equal(t, []string{"z/a.2.csv", "z/a.csv"}, keys(t, separate(t, m, stem).Objects(t.Context())))

	for _, key := range []string{"y/_SUCCESS", "x/a", "y", "a"} {
		_, _, err := merged(t, m, success).Open(t.Context(), object(key), 0, -1)
		assert.ErrorIs(t, err, fs.ErrNotExist, key)
	}
}

// The version is the set's: what it is made of, and nothing else.
func TestVersionIsThatOfTheSet(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"d/1": "a", "d/2": "b", "d/_SUCCESS": ""})
	s := merged(t, m, success)
	_, first, err := read(t.Context(), s, object("d/_SUCCESS"))
	require.NoError(t, err)
	first.ModTime = object("").ModTime // the marker's, which may be written again
	m.Put("d/_SUCCESS", nil)
	m.Put("d/sub/3", []byte("not in it"))
	_, _, err = read(t.Context(), s, first)
	require.NoError(t, err)
	for name, change := range map[string]func(){
		"replaced": func() { m.Put("d/2", []byte("c")) },
		"removed":  func() { m.Delete("d/1") },
		"added":    func() { m.Put("d/0", nil) },
	} {
		_, before, err := read(t.Context(), s, object("d/_SUCCESS"))
		require.NoError(t, err)
		change()
		_, _, err = read(t.Context(), s, before)
		require.ErrorIs(t, err, source.ErrChanged, name)
	}
}

// What appears or vanishes while the set is read is a change, too.
func TestChangeWhileRead(t *testing.T) {
	for name, change := range map[string]func(m *sourcetest.Memory){
		"added before":   func(m *sourcetest.Memory) { m.Put("d/0", []byte("x")) },
		"added behind":   func(m *sourcetest.Memory) { m.Put("d/9", []byte("x")) },
		"removed":        func(m *sourcetest.Memory) { m.Delete("d/3") },
		"removed, read":  func(m *sourcetest.Memory) { m.Delete("d/1") },
		"marker removed": func(m *sourcetest.Memory) { m.Delete("d/_SUCCESS") },
	} {
		for _, window := range []int{1, 2, 100} {
			m := sourcetest.NewMemory(map[string]string{"d/1": "a\n", "d/2": "b\n", "d/3": "c\n", "d/_SUCCESS": ""})
			r, _, err := merged(t, m, quorum.Config{Name: "_SUCCESS", Window: window}).Open(t.Context(), object("d/_SUCCESS"), 0, -1)
			require.NoError(t, err)
			_, err = io.ReadFull(r, make([]byte, 3))
			require.NoError(t, err)
			change(m)
			_, err = io.ReadAll(r)
			require.ErrorIs(t, err, source.ErrChanged, name)
			require.NotErrorIs(t, err, fs.ErrNotExist, name)
			require.NoError(t, r.Close())
		}
	}
}

// A sibling that is cut off interrupts, one that is damaged is a defect.
func TestErrorsOfSiblingsKeepTheirClass(t *testing.T) {
	for _, cause := range []error{fault.Interrupted(errors.New("away")), fault.Corrupt(errors.New("damaged"))} {
		m := sourcetest.NewMemory(map[string]string{"d/1": "a", "d/2": "bb", "d/3": "c", "d/_SUCCESS": ""})
		m.Inject("d/2", sourcetest.Fault{At: 1, Err: cause})
		got, _, err := read(t.Context(), merged(t, m, success), object("d/_SUCCESS"))
		require.ErrorIs(t, err, cause)
		assert.Equal(t, fault.Of(cause), fault.Of(err))
		assert.Equal(t, "a\nb", got)
	}
}

func TestHeaderOfFurtherSiblingsIsLeftOut(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"1.csv": "id\n1", "2.csv": "id", "3.csv": "id\n", "4.csv": "id\n2\n", "_SUCCESS": ""})
	got, _, err := read(t.Context(), merged(t, m, quorum.Config{Name: "_SUCCESS", Header: 1}), object("_SUCCESS"))
	require.NoError(t, err)
	assert.Equal(t, "id\n1\n2\n", got)
}

// Whatever there is, in whatever order it is listed and however few names are held,
// what is put together is the same, and each record is there once.
func TestPutTogetherInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := rapid.MapOf(rapid.StringMatching(`d/[a-c]{1,2}(\.x)?|e/[a-c]`), rapid.StringMatching(`[a-z]{0,2}\n?`)).Draw(t, "files")
		want := ""
		var names []string
		for key := range files {
			names = append(names, key)
		}
		slices.Sort(names)
		for _, key := range names {
			if !strings.HasPrefix(key, "d/") || files[key] == "" {
				continue
			}
			if want != "" && !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
			want += files[key]
		}
		files["d/_SUCCESS"] = "marker"
		m := sourcetest.NewMemory(files)
		cfg := quorum.Config{Name: "_SUCCESS", Window: rapid.IntRange(1, 5).Draw(t, "window")}
		s, err := quorum.New(shuffled{m, rapid.Uint64().Draw(t, "seed")}, cfg)
		require.NoError(t, err)
		r, _, err := s.Open(context.Background(), object("d/_SUCCESS"), 0, -1)
		require.NoError(t, err)
		var got []byte
		buf := make([]byte, rapid.IntRange(1, 5).Draw(t, "read"))
		for err == nil {
			var n int
			n, err = r.Read(buf)
			got = append(got, buf[:n]...)
		}
		require.Equal(t, io.EOF, err)
		require.Equal(t, want, string(got))

		listed := map[string]int{}
		e, err := quorum.NewEach(shuffled{m, 1}, cfg)
		require.NoError(t, err)
		for o, err := range e.Objects(context.Background()) {
			require.NoError(t, err)
			listed[o.Key]++
		}
		for key := range files {
			if strings.HasPrefix(key, "d/") && key != "d/_SUCCESS" {
				require.Equal(t, 1, listed[key], key)
				delete(listed, key)
			}
		}
		require.Empty(t, listed)
	})
}

// shuffled lists in another order each time, and knows no versions.
type shuffled struct {
	*sourcetest.Memory
	seed uint64
}

func (s shuffled) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		var all []source.Object
		for o, err := range s.Memory.Objects(ctx) {
			if err != nil {
				yield(o, err)
				return
			}
			all = append(all, object(o.Key))
		}
		for i := len(all) - 1; i > 0; i-- {
			s.seed = s.seed*6364136223846793005 + 1442695040888963407
			j := int(s.seed >> 33 % uint64(i+1))
			all[i], all[j] = all[j], all[i]
		}
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

// What was put together goes as a whole, the marker first, and only if it still is
// what it was.
func TestRemove(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"d/1": "a", "d/2": "b", "d/3": "c", "d/_SUCCESS": "", "d/sub/1": "stays", "e/1": "stays"})
	folder, err := dir.Open(root, dir.Config{})
	require.NoError(t, err)
	defer folder.Close()
	s := merged(t, folder, quorum.Config{Name: "_SUCCESS", Window: 2})
	remover := s.(source.Remover)

	o, _, err := remover.Stat(t.Context(), "d/_SUCCESS")
	require.NoError(t, err)
	_, found, err := read(t.Context(), s, object("d/_SUCCESS"))
	require.NoError(t, err)
	assert.True(t, o.SameAs(found))

	write(t, root, map[string]string{"d/4": "new"})
	errs := remover.Remove(t.Context(), []source.Object{o, object("e/_SUCCESS")})
	require.Len(t, errs, 2)
	require.ErrorIs(t, errs[0], source.ErrChanged)
	require.ErrorIs(t, errs[1], fs.ErrNotExist)

	o, _, err = remover.Stat(t.Context(), "d/_SUCCESS")
	require.NoError(t, err)
	require.NoError(t, errors.Join(remover.Remove(t.Context(), []source.Object{o})...))
	assert.Equal(t, []string{"d/sub/1", "e/1"}, keys(t, folder.Objects(t.Context())))
	_, _, err = remover.Stat(t.Context(), "d/_SUCCESS")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestMove(t *testing.T) {
	root, to := t.TempDir(), t.TempDir()
	write(t, root, map[string]string{"d/1": "a", "d/2": "b", "d/_SUCCESS": ""})
	folder, err := dir.Open(root, dir.Config{})
	require.NoError(t, err)
	defer folder.Close()
	s, ok := merged(t, folder, success).(source.Mover)
	if !ok {
		t.Skip("a folder of this system moves nothing")
	}
	o, _, err := s.Stat(t.Context(), "d/_SUCCESS")
	require.NoError(t, err)
	require.NoError(t, errors.Join(s.Move(t.Context(), []source.Object{o}, to)...))
	assert.Empty(t, keys(t, folder.Objects(t.Context())))
	for _, name := range []string{"1", "2", "_SUCCESS"} {
		assert.FileExists(t, filepath.Join(to, "d", name))
	}
}

// A marker that appears is told, and what it stands for.
func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		open func(testing.TB, source.Source, quorum.Config) source.Source
		want []string
	}{"merged": {merged, []string{"d/_SUCCESS"}}, "each": {separate, []string{"d/1", "d/2"}}} {
		t.Run(name, func(t *testing.T) {
			m := sourcetest.NewMemory(map[string]string{"d/1": "a"})
			changes, err := c.open(t, m, success).(source.Watcher).Watch(t.Context())
			require.NoError(t, err)
			defer changes.Close()
			assert.Empty(t, keys(t, changes.Objects(t.Context(), false)))
			m.Put("d/2", []byte("b"))
			assert.Empty(t, keys(t, changes.Objects(t.Context(), false)))
			m.Put("d/_SUCCESS", nil)
			assert.Equal(t, c.want, keys(t, changes.Objects(t.Context(), false)))
			assert.Empty(t, keys(t, changes.Objects(t.Context(), false)))
		})
	}
}

func TestMistakesAreNamedAtOnce(t *testing.T) {
	for _, c := range []struct {
		cfg  quorum.Config
		want string
	}{
		{quorum.Config{}, "Name"},
		{quorum.Config{Name: "a", Ext: ".b"}, "Ext"},
		{quorum.Config{Name: "a/b"}, "Name"},
		{quorum.Config{Name: "a", ByStem: true}, "ByStem"},
		{quorum.Config{Name: "a", Header: -1}, "Header"},
		{quorum.Config{Name: "a", Window: -1}, "Window"},
	} {
		_, err := quorum.New(nil, c.cfg)
		require.ErrorContains(t, err, "Config."+c.want)
		require.ErrorContains(t, err, "no source")
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
	_, err := quorum.NewEach(sourcetest.NewMemory(nil), quorum.Config{Name: "a", Header: 1})
	require.ErrorContains(t, err, "Config.Header")
}

func ExampleNew() {
	files := sourcetest.NewMemory(map[string]string{
		"monday/part-1.ndjson": `{"id":1}`, "monday/part-2.ndjson": `{"id":2}`, "monday/_SUCCESS": "",
		"tuesday/part-1.ndjson": `{"id":3}`,
	})
	src, err := quorum.New(files, quorum.Config{Name: "_SUCCESS"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for o, err := range src.Objects(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		content, _, err := read(context.Background(), src, o)
		fmt.Printf("%s: %q %v\n", o.Key, content, err)
	}
	// Output: monday/_SUCCESS: "{\"id\":1}\n{\"id\":2}" <nil>
}

// What a crash in the middle of removing leaves has no marker any more: it is not
// taken for a set that changed, and processed.
func TestMarkerGoesFirst(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"d/1": "a", "d/2": "b", "d/_SUCCESS": ""})
	folder, err := dir.Open(root, dir.Config{})
	require.NoError(t, err)
	defer folder.Close()
	broken := errors.New("broken")
	s := merged(t, keepsData{folder, broken}, success)
	o, _, err := s.(source.Remover).Stat(t.Context(), "d/_SUCCESS")
	require.NoError(t, err)
	require.ErrorIs(t, errors.Join(s.(source.Remover).Remove(t.Context(), []source.Object{o})...), broken)
	assert.Equal(t, []string{"d/1", "d/2"}, keys(t, folder.Objects(t.Context())))
	assert.Empty(t, keys(t, s.Objects(t.Context())))
}

// keepsData removes markers only.
type keepsData struct {
	*dir.Source
	err error
}

func (s keepsData) Remove(ctx context.Context, objects []source.Object) []error {
	errs := make([]error, len(objects))
	for i, o := range objects {
		if errs[i] = s.err; strings.HasSuffix(o.Key, "_SUCCESS") {
			errs[i] = s.Source.Remove(ctx, []source.Object{o})[0]
		}
	}
	return errs
}
