package s3_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/source/s3"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// server is a versitygw.
type server struct {
	url     string
	client  *awss3.Client
	buckets atomic.Int64
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
	return &server{url: "http://" + addr, client: clientOf("http://"+addr, transport)}
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
	server := startServer(t)
	for name, cfg := range map[string]s3.Config{"whole": {}, "in parts": parts, "version ids": {VersionIDs: true}} {
		t.Run(name, func(t *testing.T) { sourcetest.Run(t, server.harness(cfg)) })
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
