package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/web"
)

// davServer is a WebDAV server over files in memory that can be made to do
// wrong.
type davServer struct {
	mu      sync.Mutex
	files   map[string]davFile
	folders map[string]bool
	changed []string // paths of files that a request changed, in order

	wrong  string        // what it does wrong
	before func(request) // called before each request, with the lock held
}

type request struct{ method, path string }

type davFile struct {
	content  string
	modified time.Time
	born     time.Time
	named    time.Time // when it got its name
}

func (f davFile) etag() string { return fmt.Sprintf(`"%d-%x"`, len(f.content), f.modified.UnixNano()) }

func newDAVServer() *davServer {
	return &davServer{files: map[string]davFile{}, folders: map[string]bool{"/": true, "/in/": true}}
}

// put puts a file of an hour ago in place.
func (s *davServer) put(path, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.files[path] = davFile{content, now.Add(-time.Hour), now.Add(-time.Hour), now}
}

func (s *davServer) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := []string{}
	for path := range s.files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func (s *davServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before(request{r.Method, r.URL.Path})
	}
	code, body := s.serve(r)
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

// fails reports whether a condition of a request does not hold.
func (s *davServer) fails(r *http.Request, there bool, f davFile) bool {
	switch match := r.Header.Get("If-Match"); {
	case match != "" && match != f.etag() && s.wrong != r.Method+" ignores If-Match":
		return true
	case r.Header.Get("If-None-Match") == "*" && there:
		return true
	}
	return false
}

func (s *davServer) serve(r *http.Request) (code int, body string) {
	switch s.wrong {
	case r.Method:
		return http.StatusMethodNotAllowed, ""
	case r.Method + " 404":
		return http.StatusNotFound, ""
	}
	now, path := time.Now(), r.URL.Path
	f, there := s.files[path]
	if !there && r.Method != http.MethodPut && r.Method != "MKCOL" {
		return http.StatusNotFound, ""
	}
	if s.fails(r, there, f) {
		return http.StatusPreconditionFailed, ""
	}
	switch r.Method {
	case http.MethodPut:
		s.changed = append(s.changed, path)
		s.files[path] = davFile{"", now, now, now}
		return http.StatusCreated, ""
	case http.MethodDelete:
		s.changed = append(s.changed, path)
		delete(s.files, path)
		return http.StatusNoContent, ""
	case "MKCOL":
		if s.folders[path] {
			return http.StatusMethodNotAllowed, ""
		}
		s.folders[path] = true
		return http.StatusCreated, ""
	case "MOVE":
		to, err := url.Parse(r.Header.Get("Destination"))
		if err != nil || !s.folders[to.Path[:strings.LastIndexByte(to.Path, '/')+1]] {
			return http.StatusConflict, ""
		}
		if _, taken := s.files[to.Path]; taken && r.Header.Get("Overwrite") == "F" && s.wrong != "MOVE ignores Overwrite" {
			return http.StatusPreconditionFailed, ""
		}
		s.changed = append(s.changed, path, to.Path)
		f.named = now
		s.files[to.Path] = f
		delete(s.files, path)
		return http.StatusCreated, ""
	case "PROPFIND":
		created := f.named
		if s.wrong == "creationdate" {
			created = f.born
		}
		etag := f.etag()
		if s.wrong == "weak" {
			etag = "W/" + etag
		}
		return http.StatusMultiStatus, fmt.Sprintf(`<?xml version="1.0"?><x:multistatus xmlns:x="DAV:"><x:response><x:href>%s</x:href>
			<x:propstat><x:prop><x:resourcetype/><x:getcontentlength>%d</x:getcontentlength><x:getetag>%s</x:getetag>
			<x:getlastmodified>%s</x:getlastmodified><x:creationdate>%s</x:creationdate></x:prop><x:status>HTTP/1.1 200 OK</x:status></x:propstat>
			</x:response></x:multistatus>`, strings.ReplaceAll(r.URL.EscapedPath(), "&", "&amp;"), len(f.content), strings.ReplaceAll(etag, `"`, "&quot;"), at(f.modified.UTC()), created.UTC().Format(time.RFC3339))
	}
	return http.StatusMethodNotAllowed, ""
}

// onDAV runs a test with such a server, in a bubble where waiting takes no time.
func onDAV(t *testing.T, test func(t *testing.T, d *web.DAV, s *davServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net, s := newPipes(), newDAVServer()
		server := http.Server{Handler: s}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(net) })
		defer serving.Wait()
		defer server.Close()
		transport := net.transport()
		defer transport.CloseIdleConnections()
		src, err := web.New("http://files.example/in", web.Config{Transport: transport})
		require.NoError(t, err)
		test(t, src.DAV(), s)
	})
}

func (s *davServer) does(wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = wrong
}

// A server that does not keep to a condition, or cannot say since when a file is
// there, is refused, by each method and without touching any file but those of
// the probe.
func TestUnsafeServersAreRefused(t *testing.T) {
	for _, wrong := range []string{
		"MOVE ignores If-Match", "DELETE ignores If-Match", "MOVE ignores Overwrite", "creationdate", "weak",
		"PUT", "MOVE", "DELETE", "PROPFIND", "PUT 404",
	} {
		onDAV(t, func(t *testing.T, d *web.DAV, s *davServer) {
			s.put("/in/a", "{}")
			s.put("/in/b", "{}")
			s.does(wrong)
			_, _, err := d.Stat(t.Context(), "a")
			errs := []error{err}
			errs = append(errs, d.Remove(t.Context(), []source.Object{object("a")})...)
			errs = append(errs, d.Move(t.Context(), []source.Object{{Key: "b", Size: -1, Version: "x"}}, "http://files.example/done/")...)
			for _, err := range errs {
				require.ErrorIs(t, err, web.ErrUnsafe, wrong)
				assert.True(t, fault.Is(err, fault.ClassFatal), wrong)
				assert.ErrorContains(t, err, "archive on the machine of the files")
				assert.NotErrorIs(t, err, fs.ErrNotExist, "it says nothing about the object")
				assert.NotErrorIs(t, err, source.ErrChanged)
			}
			want := []string{"/in/a", "/in/b"}
			got := slices.DeleteFunc(s.paths(), func(path string) bool {
				return wrong == "DELETE" && strings.HasPrefix(path, "/in/.unspool-probe-")
			})
			assert.Equal(t, want, got, wrong)
			for _, path := range s.changed {
				assert.True(t, strings.HasPrefix(path, "/in/.unspool-probe-"), "%s: %s", wrong, path)
			}
		})
	}
}

// An outage while the server is tried out says nothing about it.
func TestAnOutageIsNoRefusal(t *testing.T) {
	onDAV(t, func(t *testing.T, d *web.DAV, s *davServer) {
		time.Sleep(700 * time.Millisecond)
		named := time.Now()
		s.put("/in/a", "{}")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // in the middle of it
		defer cancel()
		_, _, err := d.Stat(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, web.ErrUnsafe)
		assert.Equal(t, []string{"/in/a"}, s.paths(), "the files of the probe are gone")
		o, since, err := d.Stat(t.Context(), "a")
		require.NoError(t, err)
		assert.EqualValues(t, 2, o.Size)
		assert.WithinRange(t, since, named, named.Add(time.Second), "never earlier than it is")
		_, _, err = d.Stat(t.Context(), "none")
		assert.ErrorIs(t, err, fs.ErrNotExist)
	})
}

// What was replaced since it was looked at stays, whatever the moment.
func TestOnlyWhatWasLookedAtIsTaken(t *testing.T) {
	onDAV(t, func(t *testing.T, d *web.DAV, s *davServer) {
		for _, name := range []string{"a", "b", "c", "d", "e & +%41", "f"} {
			s.put("/in/"+name, "{}")
		}
		s.put("/done/day=1/taken", "other")
		stat := func(key string) source.Object {
			o, _, err := d.Stat(t.Context(), key)
			require.NoError(t, err)
			return o
		}
		var objects []source.Object
		for _, key := range []string{"a", "b", "c", "e & +%41"} {
			objects = append(objects, stat(key))
		}
		time.Sleep(time.Second)
		s.put("/in/b", "another")
		s.mu.Lock()
		delete(s.files, "/in/c")
		s.mu.Unlock()
		errs := d.Remove(t.Context(), objects[:3])
		require.NoError(t, errs[0])
		assert.ErrorIs(t, errs[1], source.ErrChanged)
		assert.ErrorIs(t, errs[2], fs.ErrNotExist)
		assert.ErrorContains(t, errs[2], `web: remove "c"`)

		errs = d.Move(t.Context(), objects, "http://files.example/done")
		assert.ErrorIs(t, errs[0], fs.ErrNotExist)
		assert.ErrorIs(t, errs[1], source.ErrChanged)
		assert.ErrorIs(t, errs[2], fs.ErrNotExist)
		require.NoError(t, errs[3])
		assert.Equal(t, []string{"/done/day=1/taken", "/done/e & +%41", "/in/b", "/in/d", "/in/f"}, s.paths())

		s.put("/in/day=1/taken", "mine")
		errs = d.Move(t.Context(), []source.Object{stat("day=1/taken")}, "http://files.example/done/")
		assert.ErrorIs(t, errs[0], fs.ErrExist)
		assert.Contains(t, s.paths(), "/in/day=1/taken")

		// Of an object without a version all that is known must be the same.
		then := stat("d")
		errs = d.Remove(t.Context(), []source.Object{
			{Key: "d", Size: 3}, {Key: "d", Size: -1, ModTime: then.ModTime.Add(time.Hour)}, {Key: "../x", Size: -1},
		})
		assert.ErrorIs(t, errs[0], source.ErrChanged)
		assert.ErrorIs(t, errs[1], source.ErrChanged)
		assert.Error(t, errs[2])
		errs = d.Remove(t.Context(), []source.Object{{Key: "d", Size: 2, ModTime: then.ModTime}})
		assert.NoError(t, errs[0])
	})
}

// A folder of the archive that goes away while it is used is made again.
func TestFoldersOfTheArchiveAreMade(t *testing.T) {
	onDAV(t, func(t *testing.T, d *web.DAV, s *davServer) {
		for _, name := range []string{"x/y/a", "x/y/b", "x/c"} {
			s.put("/in/"+name, "{}")
		}
		move := func(key string) error {
			o, _, err := d.Stat(t.Context(), key)
			require.NoError(t, err)
			return d.Move(t.Context(), []source.Object{o}, "http://files.example/deep/done/")[0]
		}
		require.NoError(t, move("x/y/a"))
		s.mu.Lock()
		for folder := range s.folders {
			delete(s.folders, folder)
		}
		s.folders["/in/"] = true
		s.mu.Unlock()
		require.Error(t, move("x/y/b"))
		require.NoError(t, move("x/y/b"))
		require.NoError(t, move("x/c"))
		assert.Equal(t, []string{"/deep/done/x/c", "/deep/done/x/y/a", "/deep/done/x/y/b"}, s.paths())
	})
}

func TestTargetsOfMoves(t *testing.T) {
	onDAV(t, func(t *testing.T, d *web.DAV, s *davServer) {
		s.put("/in/a", "{}")
		for to, want := range map[string]error{
			"/tmp/done": errors.ErrUnsupported, "file:///tmp/done": errors.ErrUnsupported, "s3://bucket/done": errors.ErrUnsupported,
			"https://files.example/done/": errors.ErrUnsupported, "http://other.example/done/": errors.ErrUnsupported,
			"http://files.example/in/done": nil, "http://files.example/in": nil, "http://files.example/in/../in/x": nil,
			"http://files.example/done?x": nil, "http://user@files.example/done": nil, "http://files.example//done": nil,
		} {
			err := d.Move(t.Context(), []source.Object{object("a")}, to)[0]
			require.Error(t, err, to)
			if want != nil {
				assert.ErrorIs(t, err, want, to)
			} else {
				assert.True(t, fault.Is(err, fault.ClassFatal), to)
			}
		}
		assert.Equal(t, []string{"/in/a"}, s.paths())
	})
}

// apacheDAV is a server with WebDAV over the folders "in" and "done" of root.
func apacheDAV(t testing.TB, root string) string {
	t.Helper()
	locks := folder(t)
	require.NoError(t, os.Chmod(locks, 0o777))
	for _, dir := range []string{root, filepath.Join(root, "in"), filepath.Join(root, "done")} {
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, os.Chmod(dir, 0o777))
	}
	const modules = "/usr/lib/apache2/modules"
	return apache(fmt.Sprintf(`
				Dav On
			</Directory>
			LoadModule dav_module %[1]s/mod_dav.so
			LoadModule dav_fs_module %[1]s/mod_dav_fs.so
			DavLockDB %[2]s/db
			<Directory /nonexistent>`, modules, locks))(t, root)
}

// archived drains nothing: the claims say that all files of a folder are done.
func archived(t *testing.T, src source.Source, keys []string, to string, remove bool) (processor.ArchiveReport, error) {
	t.Helper()
	claims := memory.New()
	results, err := claims.Claim(t.Context(), "worker", "nonce", keys, time.Minute)
	require.NoError(t, err)
	leases := make([]claim.Lease, len(results))
	for i, r := range results {
		leases[i] = r.Lease
	}
	require.NoError(t, claims.Complete(t.Context(), leases))
	return processor.Archive(t.Context(), processor.ArchiveConfig{Source: src, Claims: claims, To: to, Delete: remove})
}

// Apache proves that it is safe, and files are archived through it: by moving,
// by deleting, and by copying to this machine.
func TestArchiveThroughApache(t *testing.T) {
	for name, c := range map[string]struct {
		to     func(t *testing.T, url string) string
		remove bool
		copied int64
	}{
		"move":   {to: func(_ *testing.T, url string) string { return url + "done/" }},
		"delete": {remove: true},
		"copy":   {to: func(t *testing.T, _ string) string { return filepath.Join(t.TempDir(), "done") }, copied: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := folder(t)
			url := apacheDAV(t, root)
			keys := []string{"a.json", "day=1/b & +%41.json", "day=1/é.json"}
			for _, key := range append(keys, "unfinished.json") {
				write(t, filepath.Join(root, "in"), key, `{"of":"`+key+`"}`)
			}
			for _, dir := range []string{"in", "in/day=1"} { // the server is somebody else
				require.NoError(t, os.Chmod(filepath.Join(root, dir), 0o777))
			}
			src := open(t, url+"in", web.Config{})
			to := ""
			if c.to != nil {
				to = c.to(t, url)
			}
			report, err := archived(t, src.DAV(), keys, to, c.remove)
			require.NoError(t, err)
			assert.EqualValues(t, 3, report.Archived, "%+v", report)
			assert.EqualValues(t, 1, report.Unfinished)
			assert.Equal(t, c.copied, report.Copied)
			left, err := os.ReadDir(filepath.Join(root, "in"))
			require.NoError(t, err)
			assert.Len(t, left, 2, "the folder and what is not finished, and nothing of the probe: %v", left)
			done := to
			if name == "move" {
				done = filepath.Join(root, "done")
			}
			for _, key := range keys {
				_, err := os.Stat(filepath.Join(root, "in", key))
				assert.ErrorIs(t, err, fs.ErrNotExist, key)
				if done != "" {
					content, err := os.ReadFile(filepath.Join(done, key))
					require.NoError(t, err)
					assert.Equal(t, `{"of":"`+key+`"}`, string(content))
				}
			}
		})
	}
}

// What came under a name after it was processed stays: the time at which a file
// got its name counts, however old it is.
func TestApacheTellsSinceWhenAFileIsThere(t *testing.T) {
	root := folder(t)
	src := open(t, apacheDAV(t, root)+"in", web.Config{})
	in := filepath.Join(root, "in")
	write(t, in, "a.json", "{}") // of January
	d := src.DAV()
	_, before, err := d.Stat(t.Context(), "a.json")
	require.NoError(t, err)
	assert.WithinRange(t, before, time.Now().Add(-time.Minute), time.Now().Add(time.Second))
	write(t, in, ".b", "[]")
	require.Eventually(t, func() bool {
		require.NoError(t, os.Rename(filepath.Join(in, "a.json"), filepath.Join(in, ".a")))
		require.NoError(t, os.Rename(filepath.Join(in, ".a"), filepath.Join(in, "a.json")))
		_, after, err := d.Stat(t.Context(), "a.json")
		return err == nil && after.After(before)
	}, 30*time.Second, 100*time.Millisecond)
}

// The others offer no WebDAV that is safe.
func TestOtherServersAreRefused(t *testing.T) {
	for name, start := range map[string]func(testing.TB, string) string{
		"nginx":  nginx("dav_methods PUT DELETE MKCOL COPY MOVE;"),
		"apache": apache("IndexOptions None"),
		"caddy":  caddy,
		"python": python,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := folder(t)
			write(t, root, "in/a.json", "{}")
			require.NoError(t, os.Chmod(filepath.Join(root, "in"), 0o777))
			src := open(t, start(t, root)+"in", web.Config{})
			report, err := archived(t, src.DAV(), []string{"a.json"}, "", true)
			require.Error(t, err)
			assert.Contains(t, strings.Join(report.Errors, "\n"), "cannot be trusted")
			assert.EqualValues(t, 1, report.Failed, "%+v", report)
			left, err := os.ReadDir(filepath.Join(root, "in"))
			require.NoError(t, err)
			assert.Len(t, left, 1)
		})
	}
}
