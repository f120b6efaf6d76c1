package dir_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// both runs a test with openat2 and with os.Root alone.
func both(t *testing.T, test func(t *testing.T, open func(testing.TB, string, dir.Config) *dir.Source)) {
	t.Run("openat2", func(t *testing.T) { test(t, open) })
	t.Run("os.Root", func(t *testing.T) {
		test(t, func(t testing.TB, root string, cfg dir.Config) *dir.Source {
			s := open(t, root, cfg)
			s.WithoutOpenat2()
			return s
		})
	})
}

func TestConformanceWithoutOpenat2(t *testing.T) {
	with := harness(dir.Config{Stat: true})
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		fixture := with(t, files)
		fixture.Source.(*dir.Source).WithoutOpenat2()
		return fixture
	})
}

func TestOpenat2IsUsed(t *testing.T) {
	s := open(t, t.TempDir(), dir.Config{})
	if !s.UsesOpenat2() && unix.Access("/proc/self/ns/net", 0) == nil {
		t.Skip("this kernel or sandbox has no openat2")
	}
}

// TestHostileFolder is what holds the good files up elsewhere: each odd thing
// fails by itself, at once, and nothing outside can be reached.
func TestHostileFolder(t *testing.T) {
	both(t, func(t *testing.T, open func(testing.TB, string, dir.Config) *dir.Source) {
		base := t.TempDir()
		root := filepath.Join(base, "root")
		write(t, base, "outside", "must not be seen")
		write(t, root, "good", "good")
		write(t, root, "sub/good", "good too")
		at := func(name string) string { return filepath.Join(root, name) }
		for link, to := range map[string]string{
			"inside":       "sub/good",
			"sub/up":       "../good",
			"leaves":       "../outside",
			"absolute":     filepath.Join(base, "outside"),
			"back in":      "../root/good",
			"nowhere":      "missing",
			"itself":       "itself",
			"to a folder":  "sub",
			"to the root":  ".",
			"to a fifo":    "fifo",
			"sub/far away": "/etc/passwd",
		} {
			require.NoError(t, os.Symlink(to, at(link)))
		}
		require.NoError(t, unix.Mkfifo(at("fifo"), 0o644))
		socket, err := net.Listen("unix", at("socket"))
		require.NoError(t, err)
		defer socket.Close()

		for _, cfg := range []dir.Config{{Order: dir.NameOrder}, {Order: dir.NameOrder, Stat: true}, {Order: dir.NameOrder, MinAge: 1}} {
			s := open(t, root, cfg)
			readable := map[string]string{}
			for _, key := range list(t, s) {
				data, _, err := s.ReadObject(t.Context(), object(key), nil, 1000)
				r, _, openErr := s.Open(t.Context(), object(key), 0, -1)
				if err != nil {
					require.Error(t, openErr)
					require.ErrorContains(t, err, key)
					require.NotErrorIs(t, err, source.ErrChanged)
					continue
				}
				readable[key] = string(data)
				require.NoError(t, openErr)
				streamed, err := io.ReadAll(r)
				require.NoError(t, errors.Join(err, r.Close()))
				require.Equal(t, string(data), string(streamed))
			}
			assert.Equal(t, map[string]string{"good": "good", "sub/good": "good too", "inside": "good too", "sub/up": "good"}, readable)
			assert.Subset(t, list(t, s), []string{"leaves", "absolute", "nowhere", "itself"}, "what cannot be read must be seen to fail")
			assert.NotContains(t, list(t, s), "fifo")
			assert.NotContains(t, list(t, s), "socket")

			_, _, err := s.ReadObject(t.Context(), object("nowhere"), nil, 1000)
			assert.ErrorIs(t, err, fs.ErrNotExist)
			for _, key := range []string{"fifo", "socket", "sub", "to a folder", "to a fifo"} {
				_, _, err := s.ReadObject(t.Context(), object(key), nil, 1000)
				assert.Error(t, err, key)
				_, _, err = s.Open(t.Context(), object(key), 0, -1)
				assert.Error(t, err, key)
			}
			for _, key := range []string{"", ".", "..", "/", "../outside", "sub/../good", "./good", "sub//good", "/good", "good/", "good\x00", filepath.Join(base, "outside")} {
				_, _, err := s.ReadObject(t.Context(), object(key), nil, 1000)
				assert.ErrorContains(t, err, "not a path below", "%q", key)
				_, _, err = s.Open(t.Context(), object(key), 0, -1)
				assert.Error(t, err, "%q", key)
			}
		}
	})
}

// TestReadObjectLeavesNothingOpen, whatever happens.
func TestReadObjectLeavesNothingOpen(t *testing.T) {
	both(t, func(t *testing.T, open func(testing.TB, string, dir.Config) *dir.Source) {
		root := t.TempDir()
		write(t, root, "a", "12345")
		require.NoError(t, os.Mkdir(filepath.Join(root, "folder"), 0o755))
		s := open(t, root, dir.Config{})
		before := openFiles(t)
		for range 10 {
			for _, o := range []source.Object{object("a"), object("folder"), object("missing"), {Key: "a", Size: 4}} {
				s.ReadObject(t.Context(), o, nil, 3)
				s.ReadObject(t.Context(), o, nil, 5)
				if r, _, err := s.Open(t.Context(), o, 0, -1); err == nil {
					require.NoError(t, r.Close())
				}
				if _, _, err := s.Open(t.Context(), o, 99, -1); err == nil {
					t.Error("opened behind the end")
				}
			}
		}
		assert.Equal(t, before, openFiles(t))
	})
}

// TestFileWrittenToWhileRead: what is read without an error is the whole of
// the file at one time.
func TestFileWrittenToWhileRead(t *testing.T) {
	root := t.TempDir()
	contents := map[string]bool{"": true, "aaaaaaaaaaaaaaaa": true, "bb": true, "cccccccccccccccc": true}
	write(t, root, "f", "")
	s := open(t, root, dir.Config{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		f, err := os.OpenFile(filepath.Join(root, "f"), os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for {
			for content := range contents {
				select {
				case <-stop:
					return
				default:
				}
				f.Truncate(0)
				f.WriteAt([]byte(content), 0)
			}
		}
	})
	read := 0
	for range 2000 {
		data, found, err := s.ReadObject(t.Context(), object("f"), nil, 100)
		if err != nil {
			require.ErrorIs(t, err, source.ErrChanged)
			continue
		}
		read++
		require.True(t, contents[string(data)], "%q", data)
		require.Equal(t, int64(len(data)), found.Size)
	}
	assert.Positive(t, read)
}

func TestReadObjectAllocates(t *testing.T) {
	root := t.TempDir()
	write(t, root, "some/folder/with-a-name-of-usual-length.json", string(make([]byte, 2400)))
	s := open(t, root, dir.Config{})
	o, dst := object("some/folder/with-a-name-of-usual-length.json"), make([]byte, 0, 4096)
	allocs := testing.AllocsPerRun(100, func() {
		if _, _, err := s.ReadObject(t.Context(), o, dst, 1<<20); err != nil {
			t.Error(err)
		}
	})
	assert.Less(t, allocs, 1.0, "allocations a file")
}
