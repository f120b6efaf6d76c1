package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/s3"
)

// bucket is an S3 in the process, of one bucket: an http.RoundTripper that
// answers at once, by the clock of the test.
type bucket struct {
	// Defects. Set before use.
	ignores  string // "PUT If-None-Match", "PUT If-Match" or "DELETE If-Match"
	refuses  string // a header that is answered with 412 whatever it says
	dateless bool
	pageSize int // of listings; 1,000 if 0
	// fail answers in place of the bucket, unless it returns nil. lose drops
	// the answer to a request that took effect.
	fail func(*http.Request) *http.Response
	lose func(*http.Request) bool

	mu      sync.Mutex
	ahead   time.Duration // of the test's clock
	objects map[string]string
	ops     map[string]int // requests so far
}

// operation names a request as IAM and the SDK do.
func operation(r *http.Request) string {
	switch {
	case r.URL.Query().Get("list-type") == "2":
		return "ListObjectsV2"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodPut:
		return "PutObject"
	}
	return "DeleteObject"
}

func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	if b.ops == nil {
		b.ops, b.objects = make(map[string]int), make(map[string]string)
	}
	b.ops[operation(r)]++
	b.mu.Unlock()
	if b.fail != nil {
		if resp := b.fail(r); resp != nil {
			return resp, nil
		}
	}
	b.mu.Lock()
	resp, err := b.serve(r)
	b.mu.Unlock()
	if err == nil && b.lose != nil && b.lose(r) {
		return nil, fmt.Errorf("connection reset by peer")
	}
	return resp, err
}

// count returns the number of requests of an operation, and starts anew.
func (b *bucket) count(op string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.ops[op]
	delete(b.ops, op)
	return n
}

// advance lets time pass for the bucket, and not for the process.
func (b *bucket) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead += d
}

// serve answers a request; b.mu is held.
func (b *bucket) serve(r *http.Request) (*http.Response, error) {
	name := strings.TrimPrefix(r.URL.Path, "/claims-bucket")
	name = strings.TrimPrefix(name, "/")
	body, exists := b.objects[name]
	if status := b.check(r, body, exists); status != 0 {
		return b.refuse(r, status), nil
	}
	switch operation(r) {
	case "ListObjectsV2":
		return b.list(r), nil
	case "PutObject":
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		b.objects[name] = string(text)
		return b.answer(r, http.StatusOK, "", etag(string(text))), nil
	case "DeleteObject":
		delete(b.objects, name)
		return b.answer(r, http.StatusNoContent, "", ""), nil
	}
	if !exists {
		return b.refuse(r, http.StatusNotFound), nil
	}
	return b.answer(r, http.StatusOK, body, etag(body)), nil
}

// check returns the status of a request whose condition does not hold, else 0.
func (b *bucket) check(r *http.Request, body string, exists bool) int {
	if b.refuses != "" && r.Header.Get(b.refuses) != "" {
		return http.StatusPreconditionFailed
	}
	if r.Header.Get("If-None-Match") != "" && exists && b.ignores != r.Method+" If-None-Match" {
		return http.StatusPreconditionFailed
	}
	if want := r.Header.Get("If-Match"); want != "" && b.ignores != r.Method+" If-Match" {
		switch {
		case !exists:
			return http.StatusNotFound
		case want != etag(body):
			return http.StatusPreconditionFailed
		}
	}
	return 0
}

// codes are S3's for the statuses that a bucket refuses with.
var codes = map[int]string{
	http.StatusPreconditionFailed: "PreconditionFailed",
	http.StatusNotFound:           "NoSuchKey",
	http.StatusConflict:           "ConditionalRequestConflict",
	http.StatusServiceUnavailable: "SlowDown",
}

func (b *bucket) refuse(r *http.Request, status int) *http.Response {
	return b.answer(r, status, "<Error><Code>"+codes[status]+"</Code><Message>no</Message></Error>", "")
}

func (b *bucket) list(r *http.Request) *http.Response {
	type content struct {
		Key string
	}
	var page struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}
	size := b.pageSize
	if size == 0 {
		size = 1000
	}
	q := r.URL.Query()
	var names []string
	for name := range b.objects {
		if strings.HasPrefix(name, q.Get("prefix")) && name > q.Get("continuation-token") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) > size {
		names = names[:size]
		page.IsTruncated, page.NextContinuationToken = true, names[size-1]
	}
	for _, name := range names {
		page.Contents = append(page.Contents, content{name})
	}
	text, err := xml.Marshal(page)
	if err != nil {
		return b.answer(r, http.StatusInternalServerError, "", "")
	}
	return b.answer(r, http.StatusOK, string(text), "")
}

func (b *bucket) answer(r *http.Request, status int, body, etag string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/xml"}},
		Body:          io.NopCloser(bytes.NewReader([]byte(body))),
		ContentLength: int64(len(body)),
	}
	if !b.dateless {
		resp.Header.Set("Date", time.Now().Add(b.ahead).UTC().Format(http.TimeFormat))
	}
	if etag != "" {
		resp.Header.Set("Etag", etag)
	}
	return resp
}

func etag(body string) string {
	sum := md5.Sum([]byte(body))
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// clientOf returns a client that does not retry.
func clientOf(url string, rt http.RoundTripper, optFns ...func(*awss3.Options)) *awss3.Client {
	return awss3.New(awss3.Options{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secretsecret", ""),
		HTTPClient:   &http.Client{Transport: rt},
		Retryer:      aws.NopRetryer{},
	}, optFns...)
}

// open returns a store in a bucket of the process.
func open(tb testing.TB, rt http.RoundTripper, optFns ...func(*awss3.Options)) *s3.Store {
	tb.Helper()
	s, err := s3.New(clientOf("http://s3.test", rt, optFns...), s3.Config{Bucket: "claims-bucket", Prefix: "claims/", Parallel: 16})
	require.NoError(tb, err)
	return s
}
