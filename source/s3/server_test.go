package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// server is a versitygw.
type server struct {
	url       string
	transport http.RoundTripper
	client    *awss3.Client
	buckets   atomic.Int64
}

// startServer starts versitygw for the rest of the test.
func startServer(tb testing.TB) *server {
	tb.Helper()
	gateway := testtool.Find(tb, "versitygw")
	addr := testtool.Addr(tb)
	cmd := exec.CommandContext(context.Background(), gateway, "--quiet", "--keep-alive", "--health", "/health", "--port", addr,
		"posix", "--versioning-dir", tb.TempDir(), tb.TempDir())
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=key", "ROOT_SECRET_KEY=secretsecret")
	testtool.Start(tb, cmd, testtool.Listening(addr))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	tb.Cleanup(transport.CloseIdleConnections)
	return &server{url: "http://" + addr, transport: transport, client: clientOf("http://"+addr, transport)}
}

// bucket makes one.
func (s *server) bucket(tb testing.TB) string {
	tb.Helper()
	name := "bucket-" + strconv.FormatInt(s.buckets.Add(1), 10)
	_, err := s.client.CreateBucket(tb.Context(), &awss3.CreateBucketInput{Bucket: &name})
	require.NoError(tb, err)
	return name
}

func (s *server) put(ctx context.Context, bucket, name, body string) error {
	_, err := s.client.PutObject(ctx, &awss3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader(body)})
	return err
}

// harness makes buckets for the conformance suite.
func (s *server) harness(cfg s3.Config) sourcetest.Harness {
	return func(t testing.TB, files map[string]string) sourcetest.Fixture {
		cfg.Bucket, cfg.Prefix = s.bucket(t), "in"
		if cfg.VersionIDs {
			_, err := s.client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{
				Bucket: &cfg.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
			})
			require.NoError(t, err)
		}
		for key, body := range files {
			require.NoError(t, s.put(t.Context(), cfg.Bucket, "in/"+key, body))
		}
		src, err := s3.New(s.client, cfg)
		require.NoError(t, err)
		return sourcetest.Fixture{
			Source: src,
			Write:  func(key, body string) error { return s.put(context.Background(), cfg.Bucket, "in/"+key, body) },
			Remove: func(key string) error {
				_, err := s.client.DeleteObject(context.Background(), &awss3.DeleteObjectInput{Bucket: &cfg.Bucket, Key: aws.String("in/" + key)})
				return err
			},
		}
	}
}

// parts is a configuration that reads the suite's long object in parts.
var parts = s3.Config{PartBytes: 100_000, AheadBytes: 300_000}

func TestConformanceOfTheRealProtocol(t *testing.T) {
	if testtool.Brief() {
		t.Skip("in brief TestConformance checks the rules on a stand-in, and others the server: UNSPOOL_FULL=1")
	}
	server := startServer(t)
	for name, cfg := range map[string]s3.Config{"whole": {}, "in parts": parts, "version ids": {VersionIDs: true}} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, server.harness(cfg))
		})
	}
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]s3.Config{"whole": {}, "in parts": parts} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
				f := &fake{pageSize: 3}
				for key, body := range files {
					f.put("in/"+key, body)
				}
				return sourcetest.Fixture{
					Source: open(t, f, cfg),
					Write:  func(key, body string) error { f.put("in/"+key, body); return nil },
					Remove: func(key string) error { f.remove("in/" + key); return nil },
				}
			})
		})
	}
}

func TestConformanceOfRemoval(t *testing.T) {
	sourcetest.RunRemover(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		f := &fake{}
		for key, body := range files {
			f.put("in/"+key, body)
		}
		return sourcetest.Fixture{
			Source: open(t, f, s3.Config{}),
			Write:  func(key, body string) error { f.put("in/"+key, body); return nil },
			Remove: func(key string) error { f.remove("in/" + key); return nil },
			Attic: func() (sourcetest.Attic, error) {
				return sourcetest.Attic{
					URL:   "s3://feed/done",
					Write: func(key, body string) error { f.put("done/"+key, body); return nil },
					Read:  func(key string) (string, error) { return f.read("done/" + key) },
				}, nil
			},
		}
	})
}

// source returns that of the folder "in" in a bucket of its own, and a hand on
// it.
func (s *server) source(tb testing.TB, cfg s3.Config) (*s3.Source, func(name, body string)) {
	tb.Helper()
	cfg.Bucket, cfg.Prefix = s.bucket(tb), "in"
	src, err := s3.New(s.client, cfg)
	require.NoError(tb, err)
	return src, func(name, body string) { require.NoError(tb, s.put(tb.Context(), cfg.Bucket, name, body)) }
}

func TestOnARealServer(t *testing.T) {
	server := startServer(t)

	t.Run("pages", func(t *testing.T) {
		if testing.Short() {
			t.Skip("more than a thousand objects are stored for it")
		}
		src, put := server.source(t, s3.Config{})
		want := server.fill(t, src, 1010)
		put("in/", "")
		put("in2/x", "{}")
		assert.Equal(t, want, keys(t, src))
		c := watch(t, growingOf(t, server, src))
		assert.Equal(t, want, changes(t, c, false))
		assert.Equal(t, want, changes(t, c, false), "it was the first")
		put("in/2000", "{}")
		assert.Equal(t, []string{"2000"}, changes(t, c, false))
	})

	t.Run("odd names", func(t *testing.T) {
		src, _ := server.source(t, s3.Config{})
		put := func(name, body string) {
			require.NoError(t, server.put(t.Context(), strings.Split(src.URL(), "/")[2], name, body))
		}
		for _, key := range oddKeys() {
			put("in/"+key, "of "+key)
		}
		checkKeys(t, src, oddKeys())
		var objects []source.Object
		for o, err := range src.Objects(t.Context()) {
			require.NoError(t, err)
			objects = append(objects, o)
		}
		to := strings.Replace(src.URL(), "/in/", "/done/", 1)
		for i, err := range src.Move(t.Context(), objects, to) {
			require.NoError(t, err, objects[i].Key)
		}
		assert.Empty(t, keys(t, src))
		bucket := strings.Split(src.URL(), "/")[2]
		done, err := s3.New(server.client, s3.Config{Bucket: bucket, Prefix: "done"})
		require.NoError(t, err)
		checkKeys(t, done, oddKeys())

		put("done/control-\x01", "{}") // this one does not encode names
		put("done/control-\x02", "{}")
		got, err := try(t.Context(), done)
		assert.ErrorContains(t, err, "has a control character that the store cannot list")
		assert.Len(t, got, len(oddKeys()))
	})

	t.Run("remove and move on condition", func(t *testing.T) {
		src, put := server.source(t, s3.Config{})
		put("in/empty", "")
		for _, key := range []string{"a", "changed", "gone", "taken", "same"} {
			put("in/"+key, "of "+key)
		}
		objects := map[string]source.Object{}
		for o, err := range src.Objects(t.Context()) {
			require.NoError(t, err)
			objects[o.Key] = o
			now, since, err := src.Stat(t.Context(), o.Key)
			require.NoError(t, err)
			assert.True(t, o.SameAs(now))
			assert.WithinDuration(t, time.Now(), since, time.Minute)
		}
		put("in/changed", "new")
		put("done/taken", "something else")
		put("done/same", "of same")
		bucket := strings.Split(src.URL(), "/")[2]
		_, err := server.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("in/gone")})
		require.NoError(t, err)
		errs := src.Move(t.Context(), []source.Object{objects["a"], objects["changed"], objects["gone"], objects["taken"], objects["same"], objects["empty"]}, "s3://"+bucket+"/done")
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], source.ErrChanged)
		require.ErrorIs(t, errs[2], fs.ErrNotExist)
		require.ErrorIs(t, errs[3], fs.ErrExist)
		require.NoError(t, errs[4])
		require.NoError(t, errs[5])
		errs = src.Remove(t.Context(), []source.Object{objects["changed"], objects["taken"]})
		require.ErrorIs(t, errs[0], source.ErrChanged)
		require.NoError(t, errs[1])
		assert.Equal(t, []string{"changed"}, keys(t, src))
	})

	t.Run("move in parts", func(t *testing.T) {
		src, put := server.source(t, s3.Config{})
		want := long(6 << 20) // a part has 5 MiB at least
		put("in/long", want)
		src.CopyInParts(5 << 20)
		bucket := strings.Split(src.URL(), "/")[2]
		require.NoError(t, src.Move(t.Context(), []source.Object{listed(t, src)}, "s3://"+bucket+"/done")[0])
		assert.Empty(t, keys(t, src))
		done, err := s3.New(server.client, s3.Config{Bucket: bucket, Prefix: "done", PartBytes: 1 << 20})
		require.NoError(t, err)
		o := listed(t, done)
		got, err := read(t, done, o, 0, -1)
		require.NoError(t, err)
		same(t, want, got)
		_, since, err := done.Stat(t.Context(), o.Key)
		require.NoError(t, err)
		assert.Zero(t, since)
	})

	t.Run("version ids", func(t *testing.T) {
		fixture := server.harness(s3.Config{VersionIDs: true})(t, map[string]string{"a": "x"})
		src, err := s3.New(smallPages{server.client}, s3.Config{Bucket: strings.Split(fixture.Source.(*s3.Source).URL(), "/")[2], Prefix: "in", VersionIDs: true})
		require.NoError(t, err)
		first := listed(t, src)
		require.NoError(t, fixture.Write("a", "x"))
		second := listed(t, src)
		assert.NotEqual(t, first.Version, second.Version, "of the same bytes")
		assert.ErrorIs(t, src.Remove(t.Context(), []source.Object{first})[0], source.ErrChanged)
		require.NoError(t, src.Move(t.Context(), []source.Object{second}, strings.Replace(src.URL(), "/in/", "/done/", 1))[0])
		assert.Empty(t, keys(t, src))
		want := server.fill(t, src, 100)
		require.NoError(t, fixture.Write("0001", "y"))
		assert.Equal(t, want, keys(t, src))

		plain, put := server.source(t, s3.Config{VersionIDs: true})
		put("in/a", "x")
		_, err = try(t.Context(), plain)
		assert.ErrorContains(t, err, "needs a versioned bucket")
		assert.True(t, fault.Is(err, fault.ClassFatal))
	})

	t.Run("wrong bucket and wrong secret", func(t *testing.T) {
		for _, c := range []struct {
			client *awss3.Client
			bucket string
		}{
			{server.client, "no-such-bucket"},
			{clientOf(server.url, server.transport, func(o *awss3.Options) {
				o.Credentials = credentials.NewStaticCredentialsProvider("key", "another", "")
			}), server.bucket(t)},
		} {
			src, err := s3.New(c.client, s3.Config{Bucket: c.bucket})
			require.NoError(t, err)
			_, err = try(t.Context(), src)
			assert.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
			_, _, err = src.ReadObject(t.Context(), object("a"), nil, 10)
			assert.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
		}
	})
}

// smallPages is a client that lists few names at a time.
type smallPages struct{ *awss3.Client }

func (c smallPages) ListObjectVersions(ctx context.Context, in *awss3.ListObjectVersionsInput, optFns ...func(*awss3.Options)) (*awss3.ListObjectVersionsOutput, error) {
	in.MaxKeys = aws.Int32(10)
	return c.Client.ListObjectVersions(ctx, in, optFns...)
}

// fill stores n objects, or less where there is little time, and returns their
// keys.
func (s *server) fill(t testing.TB, src *s3.Source, n int) []string {
	t.Helper()
	if testtool.Brief() {
		n = 50
	}
	names, errs := make([]string, n), make([]error, n)
	bucket := strings.Split(src.URL(), "/")[2]
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				names[i] = fmt.Sprintf("%04d", i)
				errs[i] = s.put(t.Context(), bucket, "in/"+names[i], "{}")
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	return names
}

// growingOf is a source whose keys grow, without an overlap worth the name.
func growingOf(t testing.TB, server *server, src *s3.Source) *s3.Source {
	t.Helper()
	g, err := s3.New(server.client, s3.Config{
		Bucket: strings.Split(src.URL(), "/")[2], Prefix: "in",
		Growing: s3.Growing{On: true, Overlap: time.Nanosecond, FullEvery: time.Hour},
	})
	require.NoError(t, err)
	return g
}
