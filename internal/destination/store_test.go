package destination_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/s3store"
)

// bases are the kinds of destination that every promise is tested on.
func bases(t *testing.T) map[string]string {
	require.NoError(t, s3store.Register(new(s3fake.Server).Client(), s3store.Config{}))
	return map[string]string{
		"path":   t.TempDir() + "/retry",
		"file":   "file://" + t.TempDir() + "/retry",
		"memory": "mem://localhost/" + t.Name() + "/$UUID/retry",
		"s3":     "s3://bucket/retry",
	}
}

// isLocal reports whether a base of that kind is a folder.
func isLocal(kind string) bool { return kind == "path" || kind == "file" }

func open(t *testing.T, url string) *destination.Store {
	t.Helper()
	s, err := destination.Open(destination.Config{URL: url})
	require.NoError(t, err)
	return s
}

func create(t require.TestingT, s *destination.Store, key string, attempt int, body string) *destination.Part {
	part, err := s.Create(context.Background(), key, attempt)
	require.NoError(t, err)
	_, err = io.WriteString(part, body)
	require.NoError(t, err)
	return part
}

func write(t require.TestingT, s *destination.Store, key string, attempt int, body string) (name string) {
	part := create(t, s, key, attempt, body)
	_, err := part.Commit(context.Background())
	require.NoError(t, err)
	return part.Name()
}

func list(t require.TestingT, s *destination.Store) map[string]destination.Info {
	infos := map[string]destination.Info{}
	for info, err := range s.List(context.Background()) {
		require.NoError(t, err)
		require.NotContains(t, infos, info.Name)
		infos[info.Name] = info
	}
	return infos
}

func read(t require.TestingT, s *destination.Store, name string) string {
	r, err := s.Open(context.Background(), name)
	require.NoError(t, err)
	defer r.Close()
	body, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(body)
}

// files lists everything below a folder, hidden files too.
func files(t *testing.T, dir string) []string {
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	return names
}

func TestPartIsInvisibleUntilCommitAndThenWhole(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			assert.Empty(t, list(t, s), "a base that does not exist is an empty list")

			body := strings.Repeat("a line\n", 50_000) // beyond every buffer
			part := create(t, s, "a/b.json", 2, body)
			assert.Empty(t, list(t, s), "visible before commit")
			url, err := part.Commit(t.Context())
			require.NoError(t, err)
			assert.Equal(t, s.URL()+"/"+part.Name(), url)

			infos := list(t, s)
			require.Len(t, infos, 1)
			info := infos[part.Name()]
			assert.Equal(t, "a/b.json", info.Key)
			assert.Equal(t, 2, info.Attempt)
			assert.WithinDuration(t, time.Now(), info.ModTime, time.Minute)
			if kind == "memory" {
				assert.EqualValues(t, -1, info.Size)
			} else {
				assert.EqualValues(t, len(body), info.Size)
			}
			assert.Equal(t, body, read(t, s, info.Name))
		})
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			part := create(t, s, "a/b.json", 0, strings.Repeat("x", 100_000))
			part.Abort()
			part.Abort()
			assert.Empty(t, list(t, s))
			if kind == "path" {
				assert.Empty(t, files(t, base))
			}
			_, err := part.Write([]byte("x"))
			assert.Error(t, err)
			_, err = part.Commit(t.Context())
			assert.Error(t, err)
			assert.Empty(t, list(t, s))
		})
	}
}

func TestAbortAfterCommitKeepsThePart(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			part := create(t, s, "a.json", 0, "x")
			_, err := part.Commit(t.Context())
			require.NoError(t, err)
			part.Abort()
			assert.Equal(t, "x", read(t, s, part.Name()))
			_, err = part.Commit(t.Context())
			assert.Error(t, err, "commit of a part that has ended")
		})
	}
}

// Defect 13 of cloudless: the same event twice fused the retry rows into one
// line, or overwrote them.
func TestTheSameObjectTwiceGivesTwoParts(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s, other := open(t, base), open(t, base)
			if kind == "memory" {
				other = s // its $UUID is another
			}
			a := write(t, s, "a.json", 1, "one\n")
			b := write(t, other, "a.json", 1, "two\n")
			assert.NotEqual(t, a, b)
			assert.Equal(t, "one\n", read(t, s, a))
			assert.Equal(t, "two\n", read(t, s, b))
			assert.Less(t, a, b, "parts of a key list by age")
		})
	}
}

func TestPartsOfManyWorkersAllArrive(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			const workers, each = 8, 20
			s := open(t, base)
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for i := range each {
						// A new folder for all at once: mem:// lost files there.
						write(t, s, fmt.Sprintf("folder%d/sub/a.json", i), 1, fmt.Sprintf("%d/%d", w, i))
					}
				})
			}
			wg.Wait()
			bodies := map[string]bool{}
			for name := range list(t, s) {
				bodies[read(t, s, name)] = true
			}
			assert.Len(t, bodies, workers*each)
		})
	}
}

func TestAnyKeyIsListedBack(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			outer := filepath.Dir(strings.TrimPrefix(base, "file://"))
			s := open(t, base)
			rapid.Check(t, func(t *rapid.T) {
				key, attempt := anyKey().Draw(t, "key"), rapid.IntRange(0, 120).Draw(t, "attempt")
				name := write(t, s, key, attempt, key)
				infos := list(t, s)
				require.Len(t, infos, 1)
				require.Equal(t, name, infos[name].Name)
				if !strings.Contains(name, "%~") {
					require.Equal(t, key, infos[name].Key)
				}
				require.Equal(t, attempt, infos[name].Attempt)
				require.Equal(t, key, read(t, s, name))
				require.NoError(t, s.Delete(context.Background(), name))
				require.Empty(t, list(t, s))
			})
			if isLocal(kind) {
				entries, err := os.ReadDir(outer)
				require.NoError(t, err)
				require.Len(t, entries, 1, "something was written beside the base")
			}
		})
	}
}

func TestAnOverlongKeyIsWrittenAllTheSame(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			for _, key := range []string{strings.Repeat("x", 3000), strings.Repeat("folder/", 1000) + "f"} {
				name := write(t, s, key, 3, key)
				assert.Equal(t, key, read(t, s, name))
				assert.Equal(t, 3, list(t, s)[name].Attempt)
			}
		})
	}
}

func TestNamesThatNoListGaveAreRefused(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			write(t, s, "a.json", 0, "x")
			for _, name := range []string{"", ".", "..", "../x", "/etc/passwd", "a/../../x", "a//b"} {
				_, err := s.Open(t.Context(), name)
				assert.Error(t, err, name)
				assert.Error(t, s.Delete(t.Context(), name), name)
			}
			assert.Len(t, list(t, s), 1)
		})
	}
}

func TestWhatIsGone(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			for range 2 { // before the base exists, and after
				_, err := s.Open(t.Context(), "a/gone.ndjson")
				assert.ErrorIs(t, err, fs.ErrNotExist)
				assert.True(t, fault.Is(err, fault.ClassInterrupted))
				assert.NoError(t, s.Delete(t.Context(), "a/gone.ndjson"))
				assert.Empty(t, list(t, s), "looking made a folder or a file")
				write(t, s, "a/b", 0, "x")
				for name := range list(t, s) {
					require.NoError(t, s.Delete(t.Context(), name))
				}
			}
		})
	}
}

func TestListStopsOnBreakAndSurvivesDeletes(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			const n = 600 // more than one batch of names
			dir := strings.TrimPrefix(s.URL(), "file://")
			for i := range n {
				if !isLocal(kind) {
					write(t, s, fmt.Sprintf("d%d/a", i%3), 0, "x")
					continue
				}
				require.NoError(t, os.MkdirAll(fmt.Sprintf("%s/d%d", dir, i%3), 0o755))
				require.NoError(t, os.WriteFile(fmt.Sprintf("%s/d%d/%d.ndjson", dir, i%3, i), nil, 0o644))
			}
			for range s.List(t.Context()) {
				break
			}
			seen := 0
			for info, err := range s.List(t.Context()) {
				require.NoError(t, err)
				require.NoError(t, s.Delete(t.Context(), info.Name))
				seen++
			}
			assert.Equal(t, n, seen)
			assert.Empty(t, list(t, s))
		})
	}
}

func TestEveryCallHonoursAContextThatHasEnded(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			write(t, s, "a.json", 0, "x")
			part := create(t, s, "b.json", 0, strings.Repeat("x", 100))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()

			_, err := part.Commit(ctx)
			check := func(err error) {
				t.Helper()
				assert.ErrorIs(t, err, context.Canceled)
				assert.True(t, fault.Is(err, fault.ClassInterrupted))
			}
			check(err)
			_, err = s.Create(ctx, "c.json", 0)
			check(err)
			for _, err := range s.List(ctx) {
				check(err)
			}
			assert.Len(t, list(t, s), 1, "a failed commit became visible")
		})
	}
}

func TestLinksCannotLeadOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(outside+"/secret", []byte("x"), 0o600))
	require.NoError(t, os.Symlink(outside, dir+"/in"))
	s := open(t, dir)
	_, err := s.Create(t.Context(), "in/a.json", 0)
	assert.Error(t, err)
	_, err = s.Open(t.Context(), "in/secret")
	assert.Error(t, err)
	assert.Error(t, s.Delete(t.Context(), "in/secret"))
	assert.Empty(t, list(t, s))
	assert.Len(t, files(t, outside), 1)
}

func TestHiddenFilesAreNotListed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+"/.git", 0o755))
	for _, name := range []string{".hidden", ".git/config", ".part-x.tmp", "mine.json"} {
		require.NoError(t, os.WriteFile(dir+"/"+name, nil, 0o644))
	}
	infos := list(t, open(t, dir))
	assert.Len(t, infos, 1)
	assert.Equal(t, "mine.json", infos["mine.json"].Key)
}

func TestSweepRemovesOnlyOldLeftoversOfOurs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	removed, err := s.Sweep(t.Context(), time.Hour)
	require.NoError(t, err)
	assert.Zero(t, removed)

	write(t, s, "a/done.json", 0, "x")
	crashed := create(t, s, "a/crashed.json", 0, "x") // never ended, as after a crash
	require.NoError(t, os.WriteFile(dir+"/a/.other.tmp", nil, 0o644))
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range files(t, dir) {
		require.NoError(t, os.Chtimes(name, old, old))
	}
	fresh := create(t, s, "a/fresh.json", 0, "x")

	removed, err = s.Sweep(t.Context(), time.Hour)
	require.NoError(t, err)
	assert.Equal(t, 1, removed)
	assert.Len(t, files(t, dir), 3, "the committed, the other's and the fresh one stay")

	_, err = fresh.Commit(t.Context())
	assert.NoError(t, err)
	_, err = crashed.Commit(t.Context())
	assert.Error(t, err, "a part that was swept was committed")
	assert.Len(t, list(t, s), 2)
}

func TestAnUnwritableBaseIsAnOutageNotAFault(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err := open(t, file+"/retry").Create(t.Context(), "a.json", 0)
	assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	assert.ErrorContains(t, err, "a.json")
}

func TestABaseThatWasDeletedMeanwhileIsMadeAgain(t *testing.T) {
	dir := t.TempDir() + "/retry"
	s := open(t, dir)
	write(t, s, "a.json", 0, "x")
	require.NoError(t, os.RemoveAll(dir))
	name := write(t, s, "a.json", 0, "y")
	assert.Equal(t, "y", read(t, s, name))

	lost := create(t, s, "b.json", 0, "z")
	require.NoError(t, os.RemoveAll(dir))
	_, err := lost.Commit(t.Context())
	assert.ErrorIs(t, err, fs.ErrNotExist, "a part that is nowhere was committed")
}

// An answer that was lost is asked for again, under the same name.
func TestAnUndecidedCommitCanBeCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := new(s3fake.Server)
		require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
		s := open(t, "s3://bucket/retry")
		part := create(t, s, "a.json", 1, "x")
		server.Fault = func(string, *http.Request) s3fake.Fault { return s3fake.Fault{Lose: true} }
		_, err := part.Commit(t.Context())
		require.ErrorIs(t, err, destination.ErrUndecided)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		server.Fault = nil

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = part.Commit(ctx)
		require.ErrorIs(t, err, destination.ErrUndecided)
		require.ErrorIs(t, err, context.Canceled)
		url, err := part.Commit(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "s3://bucket/retry/"+part.Name(), url)
		assert.Len(t, list(t, s), 1)
		_, err = part.Commit(t.Context())
		assert.Error(t, err, "commit of a part that has ended")
	})
}

// What somebody else put into the bucket is listed where it can be opened.
func TestKeysThatAreNoPathsAreLeftOut(t *testing.T) {
	server := new(s3fake.Server)
	require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
	for _, key := range []string{"retry/mine.json", "retry/sub/mine.json", "retry/a//b", "retry/../x", "retry//c", "retry/.hidden", "retry/.git/x", "retry/folder/", "retry", "retry2/x"} {
		_, err := server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key})
		require.NoError(t, err)
	}
	infos := list(t, open(t, "s3://bucket/retry/"))
	assert.ElementsMatch(t, []string{"mine.json", "sub/mine.json"}, slices.Collect(maps.Keys(infos)))
}

// Memory of a list is one page, however many parts there are.
func TestAListInS3HoldsOnePage(t *testing.T) {
	server := &s3fake.Server{PageSize: 10}
	require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
	s := open(t, "s3://bucket/retry")
	for i := range 45 {
		write(t, s, fmt.Sprint(i), 0, "x")
	}
	assert.Len(t, list(t, s), 45)
	assert.Equal(t, 10, server.LargestPage())
	assert.Equal(t, 5, server.Count("ListObjectsV2"))
	for range s.List(t.Context()) {
		break
	}
	assert.Equal(t, 6, server.Count("ListObjectsV2"), "it is lazy")
}

func BenchmarkCommit(b *testing.B) {
	s, err := destination.Open(destination.Config{URL: b.TempDir()})
	require.NoError(b, err)
	for b.Loop() {
		write(b, s, "folder/sub/a.json", 1, "one line\n")
	}
}
