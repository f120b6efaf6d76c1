package dir_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

func TestListsOddNames(t *testing.T) {
	root := t.TempDir()
	names := []string{"a b", "new\nline", "...x", "..x..", "%2e%2e", "-", "*", "back\\slash", "bad \xff utf-8", strings.Repeat("n", 255), "sub/ünï", "sub/deep er/x"}
	for _, name := range names {
		write(t, root, name, "content of "+name)
	}
	want := slices.Sorted(slices.Values(names))
	for _, order := range []dir.Order{dir.FolderOrder, dir.NameOrder} {
		s := open(t, root, dir.Config{Order: order, IncludeHidden: true})
		got := list(t, s)
		if order == dir.FolderOrder {
			slices.Sort(got)
		}
		require.Equal(t, want, got)
		for _, key := range got {
			data, _, err := s.ReadObject(t.Context(), object(key), nil, 1000)
			require.NoError(t, err)
			require.Equal(t, "content of "+key, string(data))
		}
	}
}

// TestNameOrderIsKeyOrder: a folder's place is that of its keys, not of its
// name, so that the whole listing is sorted byte by byte, like S3's.
func TestNameOrderIsKeyOrder(t *testing.T) {
	root := t.TempDir()
	for _, key := range []string{"a/z", "a/b/c", "a.txt", "a0", "A"} {
		write(t, root, key, "")
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "empty"), 0o755))
	assert.Equal(t, []string{"A", "a.txt", "a/b/c", "a/z", "a0"}, list(t, open(t, root, dir.Config{Order: dir.NameOrder})))
}

func TestListsWhatIsReady(t *testing.T) {
	root := t.TempDir()
	for _, key := range []string{"a.json", ".hidden", "b.json.tmp", ".git/config", "up.tmp/a.json", "skip-me", "sub/skip-me", "skip-too/x", "sub/b.json", ".tmp"} {
		write(t, root, key, "{}")
	}
	sorted := func(cfg dir.Config) []string {
		cfg.Order = dir.NameOrder
		return list(t, open(t, root, cfg))
	}
	assert.Equal(t, []string{"a.json", "skip-me", "skip-too/x", "sub/b.json", "sub/skip-me"}, sorted(dir.Config{}))
	assert.Equal(t, []string{"a.json", "sub/b.json"}, sorted(dir.Config{Ignore: []string{"skip-*"}}))
	assert.Equal(t, []string{"a.json", "skip-me"}, sorted(dir.Config{Flat: true}))
	assert.Len(t, sorted(dir.Config{IncludeHidden: true}), 10)
}

func TestMinAge(t *testing.T) {
	root := t.TempDir()
	write(t, root, "old", "")
	require.NoError(t, os.WriteFile(filepath.Join(root, "new"), nil, 0o644))
	assert.Equal(t, []string{"old"}, list(t, open(t, root, dir.Config{MinAge: time.Hour})))
	assert.Len(t, list(t, open(t, root, dir.Config{})), 2)
}

func TestStatFillsTheListing(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a", "12345")
	for o, err := range open(t, root, dir.Config{Stat: true}).Objects(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, int64(5), o.Size)
		assert.True(t, o.ModTime.Equal(clock), o.ModTime)
	}
	for o, err := range open(t, root, dir.Config{}).Objects(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, object("a"), o)
	}
}

func TestEmptyDirectory(t *testing.T) {
	assert.Empty(t, list(t, open(t, t.TempDir(), dir.Config{})))
}

// TestTooDeepFolderStopsNothing: what is out of reach is reported after
// everything else was listed.
func TestTooDeepFolderStopsNothing(t *testing.T) {
	root := t.TempDir()
	write(t, root, "1/2/3/deep", "")
	write(t, root, "1/2/fits", "")
	write(t, root, "z", "")
	s := open(t, root, dir.Config{MaxDepth: 2, Order: dir.NameOrder})
	var keys []string
	var failed error
	for o, err := range s.Objects(t.Context()) {
		if failed = err; err == nil {
			keys = append(keys, o.Key)
		}
	}
	assert.Equal(t, []string{"1/2/fits", "z"}, keys)
	assert.ErrorContains(t, failed, `list folder "1/2/3": nested deeper than 2 folders`)
}

func TestManyUnlistableFoldersAreCounted(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		write(t, root, fmt.Sprintf("%02d/sub/x", i), "")
	}
	s := open(t, root, dir.Config{MaxDepth: 1})
	var failed error
	for _, err := range s.Objects(t.Context()) {
		failed = err
	}
	assert.ErrorContains(t, failed, "and 12 folders more")
}

func TestUnreadableFolderStopsNothing(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	root := t.TempDir()
	write(t, root, "closed/x", "")
	write(t, root, "z", "")
	require.NoError(t, os.Chmod(filepath.Join(root, "closed"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(root, "closed"), 0o755) })
	s := open(t, root, dir.Config{})
	var keys []string
	var failed error
	for o, err := range s.Objects(t.Context()) {
		if failed = err; err == nil {
			keys = append(keys, o.Key)
		}
	}
	assert.Equal(t, []string{"z"}, keys)
	assert.ErrorIs(t, failed, fs.ErrPermission)
}

func TestDeletedDirectoryIsFatal(t *testing.T) {
	for _, order := range []dir.Order{dir.FolderOrder, dir.NameOrder} {
		root := filepath.Join(t.TempDir(), "root")
		write(t, root, "a", "")
		s := open(t, root, dir.Config{Order: order})
		require.NoError(t, os.RemoveAll(root))
		require.NoError(t, os.Mkdir(root, 0o755)) // another one under the same name
		var failed error
		for o, err := range s.Objects(t.Context()) {
			require.Zero(t, o)
			failed = err
		}
		assert.ErrorIs(t, failed, fs.ErrNotExist)
		assert.Equal(t, fault.ClassFatal, fault.Of(failed))
		assert.ErrorContains(t, failed, root)
	}
}

// TestFolderThatVanishesWhileListed: neither it nor the others are in the way.
func TestFolderThatVanishesWhileListed(t *testing.T) {
	for _, order := range []dir.Order{dir.FolderOrder, dir.NameOrder} {
		root := t.TempDir()
		for _, folder := range []string{"a", "b", "c"} {
			for i := range 100 {
				write(t, root, fmt.Sprintf("%s/%03d", folder, i), "")
			}
		}
		s := open(t, root, dir.Config{Order: order})
		seen := map[string]int{}
		for o, err := range s.Objects(t.Context()) {
			require.NoError(t, err)
			if len(seen) == 0 {
				for _, folder := range []string{"a", "b", "c"} {
					if !strings.HasPrefix(o.Key, folder) {
						require.NoError(t, os.RemoveAll(filepath.Join(root, folder)))
						break
					}
				}
			}
			seen[o.Key[:1]]++
		}
		assert.Len(t, seen, 2, order)
	}
}

// TestListingIsLazy: names are read as they are asked for, so that a break
// early costs little and memory stays flat.
func TestListingIsLazy(t *testing.T) {
	root := t.TempDir()
	for i := range 2000 {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("some-file-name-of-usual-length-%05d.json", i)), nil, 0o644))
	}
	s := open(t, root, dir.Config{})
	before := openFiles(t)
	n := 0
	for _, err := range s.Objects(t.Context()) {
		require.NoError(t, err)
		if n++; n == 10 {
			assert.Greater(t, openFiles(t), before, "the folder was read ahead and closed")
			break
		}
	}
	assert.Equal(t, before, openFiles(t), "a break leaves something open")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range s.Objects(ctx) {
		cancel()
		if err != nil {
			assert.ErrorIs(t, err, context.Canceled)
		}
	}
	assert.Equal(t, before, openFiles(t), "the end of the context leaves something open")

	for _, order := range []dir.Order{dir.FolderOrder, dir.NameOrder} {
		s := open(t, root, dir.Config{Order: order})
		allocs := testing.AllocsPerRun(1, func() {
			assert.Len(t, list(t, s), 2000)
		})
		assert.Less(t, allocs, 200.0, "allocations for 2,000 names in %s order", order)
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("open files cannot be counted here")
	}
	require.NoError(t, err)
	return len(names)
}

func TestOpenReportsEveryMistake(t *testing.T) {
	_, err := dir.Open(t.TempDir(), dir.Config{Order: "random", Ignore: []string{"ok*", "["}, MinAge: -1, MaxDepth: -1})
	for _, field := range []string{"Config.Order", "Config.Ignore[1]", "Config.MinAge", "Config.MaxDepth"} {
		assert.ErrorContains(t, err, field)
	}
	_, err = dir.Open(filepath.Join(t.TempDir(), "missing"), dir.Config{})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "missing")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = dir.Open(file, dir.Config{})
	assert.Error(t, err)
}

func TestClosedDirectory(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a", "")
	s, err := dir.Open(root, dir.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "closing twice")
	_, _, err = s.ReadObject(t.Context(), object("a"), nil, 10)
	assert.ErrorIs(t, err, fs.ErrClosed)
	_, _, err = s.Open(t.Context(), object("a"), 0, -1)
	assert.ErrorIs(t, err, fs.ErrClosed)
	for _, err := range s.Objects(t.Context()) {
		assert.ErrorIs(t, err, fs.ErrClosed)
	}
}

func TestURL(t *testing.T) {
	root := filepath.Join(t.TempDir(), "with space")
	require.NoError(t, os.Mkdir(root, 0o755))
	assert.Equal(t, "file://"+strings.ReplaceAll(filepath.ToSlash(root), " ", "%20"), open(t, root, dir.Config{}).URL())
}

var _ source.SmallReader = (*dir.Source)(nil)
