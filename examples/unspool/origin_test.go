package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// startNginx starts a server of the test's own over a folder, and returns its URL.
func startNginx(t *testing.T, folder string) string {
	t.Helper()
	program, addr := testtool.Find(t, "nginx"), testtool.Addr(t)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, `
		%s daemon off; worker_processes 1; pid %[2]s/pid; error_log stderr;
		events { worker_connections 512; }
		http {
			access_log off;
			client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi;
			uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
			server { listen %[3]s; root %[4]s; autoindex on; autoindex_format json; }
		}`, user, dir, addr, folder), 0o600))
	testtool.Start(t, exec.Command(program, "-p", dir, "-e", "stderr", "-c", conf), testtool.Listening(addr))
	return "http://" + addr + "/"
}

// pressed compresses every third file of a spool with gzip and every third one
// with zstd, half of them without saying so in their names.
func (s spool) pressed(t *testing.T) spool {
	t.Helper()
	for n := range s.cfg.Files {
		path := filepath.Join(s.folder, spooltest.Make(s.cfg, n).Name)
		plain, err := os.ReadFile(path)
		require.NoError(t, err)
		var packed bytes.Buffer
		switch n % 3 {
		case 0:
			z := gzip.NewWriter(&packed)
			_, err = z.Write(plain)
			require.NoError(t, err)
			require.NoError(t, z.Close())
		case 1:
			z, err := zstd.NewWriter(&packed)
			require.NoError(t, err)
			_, err = z.Write(plain)
			require.NoError(t, err)
			require.NoError(t, z.Close())
		default:
			continue
		}
		require.NoError(t, os.Remove(path))
		if n%2 == 0 {
			path += []string{".gz", ".zst"}[n%3]
		}
		require.NoError(t, os.WriteFile(path, packed.Bytes(), 0o600))
	}
	return s
}

// The same files give the same records wherever they are seen, compressed or not,
// and what one worker has done through one door is done for the others.
func TestEveryOrigin(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: scale(80, 5_000), OddEvery: 10, CorruptEvery: 20}).pressed(t)
	web := startNginx(t, s.folder)
	claims := startRedis(t)
	startS3(t)
	upload(t, s.folder, "feed/in")
	for _, c := range []struct{ name, source string }{
		{"folder", s.folder}, {"nginx", web}, {"bucket", "s3://bucket/feed/in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := startQueue(t, "feeds", sqstest.QueueConfig{})
			t.Setenv("AWS_ENDPOINT_URL_SQS", q.URL())
			state := filepath.Join(t.TempDir(), "state")
			drain := func(claims string) processor.Response {
				code, out, errs := runHere(t, "run", "--source", c.source, "--sink", "sqs:feeds", "--select", selectFlag(),
					"--claims", claims, "--retry", state+"-retry", "--failed", state+"-failed", "--corruption", state+"-corruption",
					"--summary", "json")
				require.Equal(t, exitOK, code, errs)
				return summaryOf(t, []byte(out))
			}
			r := drain("memory:")
			q.requireAll(t, s.want.Delivered, 1)
			assert.EqualValues(t, s.want.CorruptRecords(), r.CorruptionErrors)
			assert.EqualValues(t, s.cfg.Files, r.Finished)

			shared := drain(claims)
			assert.EqualValues(t, s.cfg.Files, shared.Finished+shared.Skipped)
			assert.Equal(t, c.name == "folder", shared.Finished > 0, "what was done in one place is done in all")
		})
	}
}

// upload copies a folder to a prefix of the bucket that startS3 made.
func upload(t *testing.T, folder, prefix string) {
	t.Helper()
	cfg, err := awsSettings(t.Context())
	require.NoError(t, err)
	client := awss3.NewFromConfig(cfg)
	for _, path := range contentsOf(t, folder) {
		rel, err := filepath.Rel(folder, path)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String(prefix + "/" + filepath.ToSlash(rel)), Body: bytes.NewReader(data),
		})
		require.NoError(t, err)
	}
}

// lazily is text that is made when it is needed.
type lazily func() string

func (f lazily) String() string { return f() }

// keysIn lists the keys below a prefix of that bucket, without it.
func keysIn(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	cfg, err := awsSettings(t.Context())
	require.NoError(t, err)
	pages := awss3.NewListObjectsV2Paginator(awss3.NewFromConfig(cfg), &awss3.ListObjectsV2Input{
		Bucket: aws.String("bucket"), Prefix: aws.String(prefix + "/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		for _, o := range page.Contents {
			keys = append(keys, strings.TrimPrefix(*o.Key, prefix+"/"))
		}
	}
	return keys
}

// All of it may be in S3: the files, the claims, what cannot be delivered, and in
// the end the archive.
func TestAllInS3(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 40, CorruptEvery: 10})
	claims := startS3(t)
	upload(t, s.folder, "feed/in")
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	t.Setenv("AWS_ENDPOINT_URL_SQS", q.URL())
	places := []string{
		"--source", "s3://bucket/feed/in", "--claims", claims,
		"--retry", "s3://bucket/feed/retry", "--failed", "s3://bucket/feed/failed", "--corruption", "s3://bucket/feed/corruption",
	}
	does := func(command string, more ...string) string {
		t.Helper()
		code, out, errs := runHere(t, append(append([]string{command}, places...), more...)...)
		require.Equal(t, exitOK, code, "%s: %s%s", command, out, errs)
		return out
	}
	var refused atomic.Bool
	q.Inject(func(c *sqstest.Call) (f sqstest.Fault) {
		if c.Entries > 0 && refused.CompareAndSwap(false, true) {
			f.Entries = map[int]string{0: "InternalError"}
		}
		return f
	})
	r := summaryOf(t, []byte(does("run", "--sink", "sqs:feeds", "--select", selectFlag(), "--summary", "json")))
	q.requireAll(t, s.want.Delivered, 1)
	assert.EqualValues(t, s.want.CorruptRecords(), r.CorruptionErrors)
	assert.NotEmpty(t, keysIn(t, "feed/corruption"))
	assert.Empty(t, keysIn(t, "feed/retry"))

	assert.Contains(t, does("status"), "source      40 objects: 0 new, 40 finished\n")
	files := keysIn(t, "feed/in")
	require.Len(t, files, 40)
	assert.Contains(t, does("explain", files[0]), "state       finished\n")
	said := ""
	require.Eventually(t, func() bool { // S3 tells times to the second
		said = does("archive", "--to", "s3://bucket/feed/done", "--after", "1s")
		return len(keysIn(t, "feed/in")) == 0
	}, 30*time.Second, 500*time.Millisecond, "%s", lazily(func() string { return said }))
	assert.Equal(t, files, keysIn(t, "feed/done"))
}

// --order and --name-time: what is oldest, or newest, goes first, and the lag is
// told.
func TestOrderByNameTime(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "in")
	now := time.Now().Unix()
	for i := range int64(9) {
		sub := filepath.Join(folder, fmt.Sprint(8-i))
		require.NoError(t, os.MkdirAll(sub, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(sub, fmt.Sprintf("%d.json", now-3600+i)), fmt.Appendf(nil, `{"id":%d}`, i), 0o600))
	}
	for order, want := range map[string]string{"oldest": "012345678", "newest": "876543210", "name": "876543210"} {
		args := []string{
			"run", "--source", folder, "--sink", "stdout:", "--claims", "memory:", "--concurrency", "1", "--order", order,
			"--retry", folder + "-retry", "--failed", folder + "-failed", "--corruption", folder + "-corruption",
		}
		if order != "name" {
			args = append(args, "--name-time", "unix")
		}
		code, out, errs := runHere(t, args...)
		require.Equal(t, exitOK, code, errs)
		got := ""
		for line := range strings.Lines(out) {
			if id, ok := strings.CutPrefix(line, `{"id":`); ok {
				got += id[:1]
			}
		}
		assert.Equal(t, want, got, order)
	}
	code, out, errs := runHere(t, "status", "--source", folder, "--name-time", "unix", "--claims", startRedis(t))
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "9 new")
	assert.Contains(t, out, "1h0m")
}

// A token from the environment is sent to the web server, and stands in no text.
func TestTokenForAWebServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `[{ "name":"a.json.gz", "type":"file", "mtime":"Fri, 02 Jan 2026 03:04:05 GMT", "size":8 }]`)
		default:
			w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
			fmt.Fprint(w, `{"id":1}`)
		}
	}))
	defer server.Close()
	folder := filepath.Join(t.TempDir(), "state")
	args := []string{
		"run", "--source", server.URL + "/", "--sink", "stdout:", "--claims", "memory:",
		"--retry", folder + "-r", "--failed", folder + "-f", "--corruption", folder + "-c",
	}
	code, out, errs := runHere(t, args...)
	assert.Equal(t, exitFailed, code, out)
	t.Setenv(httpToken, "secret")
	code, out, more := runHere(t, args...)
	assert.Equal(t, exitOK, code, more)
	assert.Contains(t, out, `{"id":1}`)
	assert.NotContains(t, out+errs+more, "secret")
}

// --compression none reads files as they are.
func TestCompressionNone(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 3}).pressed(t) // gzip, zstd, plain
	for compression, corrupt := range map[string]int64{"auto": 0, "none": 2} {
		code, out, errs := runHere(t, "run", "--source", s.folder, "--sink", "file://"+filepath.Join(t.TempDir(), "out"), "--claims", "memory:",
			"--compression", compression, "--format", "whole", "--summary", "json",
			"--retry", s.state+"-r", "--failed", s.state+"-f", "--corruption", s.state+"-c")
		require.Equal(t, exitOK, code, errs)
		assert.Equal(t, corrupt, summaryOf(t, []byte(out)).CorruptionErrors, compression)
	}
}

// Mistakes in where files come from are the user's, and name the option.
func TestMistakesInOrigins(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	folder := t.TempDir()
	for _, c := range []struct{ source, order, want string }{
		{"ftp://host/feed", "", "--source: ftp://host/feed: only paths, file://, http(s)://, s3:// and gs:// are known"},
		{"https://user:secret@host/feed?x=1", "", "--source: web: URL"},
		{"s3:///feed", "", `--source: "s3:///feed" is no s3://BUCKET/PREFIX`},
		{"http://host/feed", "name", "--order name is for folders and s3://"},
		{filepath.Join(folder, "none"), "", "--source: stat"},
	} {
		args := []string{"run", "--source", c.source, "--sink", "stdout:", "--claims", "memory:", "--retry", folder + "-r", "--failed", folder + "-f", "--corruption", folder + "-c"}
		if c.order != "" {
			args = append(args, "--order", c.order)
		}
		code, _, errs := runHere(t, args...)
		assert.Equal(t, exitUsage, code, c.source)
		assert.Contains(t, errs, c.want)
		assert.NotContains(t, errs, "secret")
	}
}

// startApache starts a server with WebDAV over the folders "in" and "done" of
// root, and returns its URL.
func startApache(t *testing.T, root string) string {
	t.Helper()
	program, addr := testtool.Find(t, "apache2"), testtool.Addr(t)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	for _, folder := range []string{dir, root, filepath.Join(root, "in"), filepath.Join(root, "done")} {
		require.NoError(t, os.MkdirAll(folder, 0o777))
		require.NoError(t, os.Chmod(folder, 0o777)) // for whoever the server is
	}
	conf := filepath.Join(dir, "apache.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, `
		ServerRoot %[1]s
		PidFile %[1]s/pid
		Mutex file:%[1]s
		ServerName localhost
		ErrorLog %[1]s/log
		LoadModule mpm_event_module %[2]s/mod_mpm_event.so
		LoadModule authz_core_module %[2]s/mod_authz_core.so
		LoadModule autoindex_module %[2]s/mod_autoindex.so
		LoadModule dav_module %[2]s/mod_dav.so
		LoadModule dav_fs_module %[2]s/mod_dav_fs.so
		DavLockDB %[1]s/locks
		Listen %[3]s
		DocumentRoot %[4]s
		<Directory %[4]s>
			Options Indexes
			Require all granted
			Dav On
		</Directory>`, dir, "/usr/lib/apache2/modules", addr, root), 0o600))
	testtool.Start(t, exec.Command(program, "-d", dir, "-f", conf, "-DFOREGROUND"), testtool.Listening(addr))
	return "http://" + addr + "/"
}

// Files that were drained from a web server are archived by it, if it is safe;
// otherwise they stay, with advice.
func TestArchiveThroughAWebServer(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	server := startApache(t, root)
	for _, name := range []string{"1.json", "2.json", "3.json"} {
		writeFiles(t, filepath.Join(root, "in"), name)
	}
	state := filepath.Join(t.TempDir(), "state")
	places := func(source string) []string {
		return []string{
			"--source", source, "--claims", "disk:" + state, "--retry", state + "-r", "--failed", state + "-f", "--corruption", state + "-c",
		}
	}
	code, _, errs := runHere(t, append([]string{"run", "--sink", "stdout:"}, places(server+"in")...)...)
	require.Equal(t, exitOK, code, errs)

	for _, unsafe := range []string{startNginx(t, filepath.Join(root, "in")), server + "none/"} {
		code, _, errs := runHere(t, append([]string{"archive", "--delete", "--after", "0"}, places(unsafe)...)...)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, errs, "archive on the machine of the files")
	}
	assert.Len(t, contentsOf(t, filepath.Join(root, "in")), 3)
	code, out, errs := runHere(t, append([]string{"archive", "--to", server + "done", "--after", "0"}, places(server+"in")...)...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "3 archived")
	assert.Len(t, contentsOf(t, filepath.Join(root, "done")), 3)
	assert.Empty(t, contentsOf(t, filepath.Join(root, "in")))
}
