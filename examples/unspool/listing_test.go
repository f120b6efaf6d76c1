package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeFiles writes files that hold their keys as a record, and were modified in
// 2020.
// They appear whole and old: who watches the folder may look at any moment.
func writeFiles(t *testing.T, folder string, keys ...string) {
	t.Helper()
	beside := filepath.Join(t.TempDir(), "file")
	for _, key := range keys {
		name := filepath.Join(folder, filepath.FromSlash(key))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(beside, fmt.Appendf(nil, `{"key":%q}`, key), 0o644))
		old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		require.NoError(t, os.Chtimes(beside, old, old))
		require.NoError(t, os.Rename(beside, name))
	}
}

// keysOf returns the keys of files that were written by writeFiles, from the
// records in text.
func keysOf(text string) []string {
	keys := []string{}
	for line := range strings.Lines(text) {
		if _, key, ok := strings.Cut(line, `{"key":"`); ok && !strings.HasPrefix(line, ">") {
			keys = append(keys, strings.TrimSuffix(strings.TrimSpace(key), `"}`))
		}
	}
	slices.Sort(keys)
	return keys
}

// The options that choose files choose the same ones from a folder, a web server
// and a bucket.
func TestWhichFilesAreTaken(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
	today := time.Now().UTC().Format("2006/01/02")
	writeFiles(t, folder, "a.json", "b.bak", "c.json.tmp", "sub/d.json", "sub/e.bak", "skip/f.json",
		"2020/01/01/g.json", "2020/02/h.json", today+"/i.json")
	startS3(t)
	upload(t, folder, "in")
	young := filepath.Join(folder, "young.json")
	for _, place := range []struct{ name, source string }{
		{"folder", folder}, {"nginx", startNginx(t, folder)}, {"bucket", "s3://bucket/in"},
	} {
		for _, c := range []struct {
			args       []string
			want       []string
			passedOver string
		}{
			{nil, []string{"2020/01/01/g.json", "2020/02/h.json", today + "/i.json", "a.json", "b.bak", "skip/f.json", "sub/d.json", "sub/e.bak"}, ""},
			{
				[]string{"--ignore", "*.bak", "--ignore=skip", "--ignore", "2*"},
				[]string{"a.json", "sub/d.json"}, "",
			},
			{[]string{"--flat", "--include-hidden"}, []string{"a.json", "b.bak", "c.json.tmp"}, ""},
			{
				// A bucket lists nothing but partitions then.
				[]string{"--partitions", "2006/01/02", "--horizon", "720h", "--ignore", "s*", "--ignore", "[a-f].*"},
				[]string{today + "/i.json"}, "1 folders",
			},
		} {
			t.Run(place.name+strings.Join(c.args, " "), func(t *testing.T) {
				code, out, errs := runHere(t, append([]string{"run", "--source", place.source, "--dry-run", "--limit", "100"}, c.args...)...)
				require.Equal(t, exitOK, code, errs)
				slices.Sort(c.want)
				assert.Equal(t, c.want, keysOf(out))
				if c.passedOver == "" || place.name == "bucket" { // which never hears of them
					assert.NotContains(t, errs, "--horizon")
				} else {
					assert.Contains(t, errs, c.passedOver+" are older than --horizon 720h0m0s: not listed")
				}
			})
		}
	}
	require.NoError(t, os.WriteFile(young, []byte(`{"key":"young.json"}`), 0o644))
	for _, source := range []string{folder, startNginx(t, folder)} {
		for age, want := range map[string][]string{"0": {"a.json", "young.json"}, "1h": {"a.json"}} {
			code, out, errs := runHere(t, "run", "--source", source, "--dry-run", "--limit", "100", "--flat", "--ignore", "*.bak", "--min-age", age)
			require.Equal(t, exitOK, code, errs)
			assert.Equal(t, want, keysOf(out), "%s %s", source, age)
		}
	}
	code, out, errs := runHere(t, "run", "--source", "s3://bucket/in", "--dry-run", "--min-age", "1h")
	require.Equal(t, exitOK, code, errs)
	assert.Empty(t, keysOf(out), "all came to S3 just now")
}

// watching runs "unspool run --watch" until the test ends, with what it writes in
// out.
func watching(t *testing.T, args ...string) (out *lockedBuffer) {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	args = append([]string{
		"run", "--watch", "--sink", "stdout:", "--linger", "10ms", "--claims", "memory:",
		"--retry", state + "-r", "--failed", state + "-f", "--corruption", state + "-c",
	}, args...)
	out, errs := new(lockedBuffer), new(lockedBuffer)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, out, errs) }()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitOK && code != exitStopped {
			t.Errorf("exit status %d: %s", code, errs.String())
		}
	})
	return out
}

// arrives waits until the records of those files were written.
func arrives(t *testing.T, out *lockedBuffer, keys ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		got := keysOf(out.String())
		return !slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(got, key) })
	}, 30*time.Second, 5*time.Millisecond, "%q of %s", keys, lazily(out.String))
}

// With --partitions folders that are over and empty are polled no more, and what
// comes late is found at the next --rescan-interval.
func TestWatchByPolling(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "2020/01/01"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "2099/01/01"), 0o755))
	often := []string{"--poll-interval", "20ms", "--rescan-interval", "200ms", "--partitions", "2006/01/02"}
	local := watching(t, append(often, "--source", folder, "--poll", "--settle", "0")...)
	web := watching(t, append(often, "--source", startNginx(t, folder))...)
	for i, key := range []string{"2099/01/01/a.json", "2020/01/01/late.json", "2020/01/02/b.json"} {
		writeFiles(t, folder, fmt.Sprintf("%d-%s", i, "top.json"), key)
		arrives(t, local, key)
		arrives(t, web, key)
	}
}

// --settle 0: files are taken as they are, with their writers still there.
func TestWatchWithoutSettling(t *testing.T) {
	folder := t.TempDir()
	f, err := os.Create(filepath.Join(folder, "open.json"))
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString(`{"key":"open.json"}`)
	require.NoError(t, err)
	arrives(t, watching(t, "--source", folder, "--settle", "0"), "open.json")
}

func TestWatchABucket(t *testing.T) {
	startS3(t)
	folder := t.TempDir()
	today := time.Now().UTC().Format("2006-01-02")
	for _, more := range [][]string{{"--keys-grow"}, {"--partitions", "2006-01-02", "--horizon", "24h"}} {
		out := watching(t, append(more, "--source", "s3://bucket/"+more[0], "--poll-interval", "20ms")...)
		for _, name := range []string{"1", "2", "0"} {
			key := today + "/" + name
			writeFiles(t, folder, key)
			upload(t, folder, more[0])
			arrives(t, out, key)
		}
	}
}

// Headers go with each request, also of the commands for operators, and their
// values stand in no text.
func TestHeadersForAWebServer(t *testing.T) {
	folder := t.TempDir()
	writeFiles(t, folder, "a.json")
	files := http.FileServer(http.Dir(folder))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Key") != "sesame" || r.Header.Get("X-Also") != "a:b":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `[{ "name":"a.json", "type":"file", "mtime":"Wed, 01 Jan 2020 00:00:00 GMT", "size":16 }]`)
		default:
			files.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	t.Setenv("OUR_KEY", "sesame")
	headers := []string{"--header", "X-Key:env:OUR_KEY", "--header", "X-Also: a:b"}
	code, out, errs := runHere(t, append([]string{"run", "--source", server.URL, "--dry-run"}, headers...)...)
	require.Equal(t, exitOK, code, errs)
	assert.Equal(t, []string{"a.json"}, keysOf(out))
	code, out, errs = runHere(t, append([]string{"status", "--source", server.URL, "--claims", startRedis(t)}, headers...)...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "1 new")

	for _, c := range []struct{ header, want string }{
		{"X-Key:env:NOBODYS", `--header: X-Key: the variable "NOBODYS" is empty or not set`},
		{"sesame", "--header: is no NAME:VALUE"},
		{":sesame", "--header: is no NAME:VALUE"},
		{"Authorization:sesame", "--source: web: Config.Header: Authorization is set by the source itself"},
		{"X-Key:sesame\r\nX-More: 1", "--source: web: Config.Header: the value of X-Key holds a control character"},
	} {
		code, _, errs := runHere(t, "run", "--source", server.URL, "--dry-run", "--header", c.header)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, errs, c.want)
		assert.NotContains(t, errs, "sesame")
	}
}
