package gs_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// server is a fake-gcs-server, spoken to by the real client.
type server struct {
	client  *storage.Client
	buckets atomic.Int64
}

// startServer starts fake-gcs-server for the rest of the test.
func startServer(tb testing.TB) *server {
	tb.Helper()
	tool, addr := testtool.Find(tb, "fake-gcs-server"), testtool.Addr(tb)
	host, port, err := net.SplitHostPort(addr)
	require.NoError(tb, err)
	cmd := exec.CommandContext(context.Background(), tool, "-scheme", "http", "-host", host, "-port", port,
		"-public-host", addr, "-external-url", "http://"+addr, "-backend", "memory", "-log-level", "error")
	testtool.Start(tb, cmd, testtool.Listening(addr))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	tb.Cleanup(transport.CloseIdleConnections)
	client, err := gcsfake.ClientOf("http://"+addr, transport)
	require.NoError(tb, err)
	return &server{client: client}
}

// bucket makes one.
func (s *server) bucket(tb testing.TB) string {
	tb.Helper()
	name := "bucket-" + strconv.FormatInt(s.buckets.Add(1), 10)
	require.NoError(tb, s.client.Bucket(name).Create(tb.Context(), "project", nil))
	return name
}

func (s *server) put(ctx context.Context, bucket, name, body string) error {
	w := s.client.Bucket(bucket).Object(name).NewWriter(ctx)
	if _, err := io.WriteString(w, body); err != nil {
		return err
	}
	return w.Close()
}

// source returns that of the folder "in" in a bucket of its own.
func (s *server) source(tb testing.TB, cfg gs.Config) (*gs.Source, string) {
	tb.Helper()
	cfg.Bucket, cfg.Prefix = s.bucket(tb), "in"
	src, err := gs.New(s.client, cfg)
	require.NoError(tb, err)
	return src, cfg.Bucket
}

func TestConformanceOfTheRealProtocol(t *testing.T) {
	if testtool.Brief() {
		t.Skip("takes seconds")
	}
	server := startServer(t)
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		src, bucket := server.source(t, gs.Config{})
		for key, body := range files {
			require.NoError(t, server.put(t.Context(), bucket, "in/"+key, body))
		}
		return sourcetest.Fixture{
			Source: src,
			Write:  func(key, body string) error { return server.put(context.Background(), bucket, "in/"+key, body) },
			Remove: func(key string) error {
				return server.client.Bucket(bucket).Object("in/" + key).Delete(context.Background())
			},
		}
	})
}

func TestOnARealServer(t *testing.T) {
	server := startServer(t)
	src, bucket := server.source(t, gs.Config{})
	for _, name := range []string{"in/a", "in/b", "in/sub/c", "other/d"} {
		require.NoError(t, server.put(t.Context(), bucket, name, "body of "+name))
	}
	objects, err := list(t, src)
	require.NoError(t, err)
	require.Len(t, objects, 3)
	found, since, err := src.Stat(t.Context(), "a")
	require.NoError(t, err)
	assert.True(t, found.SameAs(objects[0]), "%+v, %+v", found, objects[0])
	assert.False(t, since.Before(found.ModTime))

	attic := server.bucket(t)
	assert.Equal(t, []error{nil, nil}, src.Move(t.Context(), objects[:2], "gs://"+attic+"/done"))
	moved, err := gs.New(server.client, gs.Config{Bucket: attic, Prefix: "done"})
	require.NoError(t, err)
	got, err := keys(t, moved)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, got)
	require.NoError(t, server.put(t.Context(), bucket, "in/sub/c", "new"))
	_, _, err = src.Open(t.Context(), objects[2], 0, -1)
	require.ErrorIs(t, err, source.ErrChanged)
	// fake-gcs-server v1.56.1 ignores ifGenerationMatch of a deletion, and of the
	// source of a copy: that they are sent is tested with gcsfake.
	now, err := list(t, src)
	require.NoError(t, err)
	require.NoError(t, src.Remove(t.Context(), now)[0])
	now, err = list(t, src)
	require.NoError(t, err)
	assert.Empty(t, now)
}
