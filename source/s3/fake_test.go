package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

// fake is an S3 in the process: an http.RoundTripper that answers at once, by
// the clock of the test. A bucket is there as soon as it is used.
type fake struct {
	// What it does otherwise than S3. Set before use.
	pageSize      int             // of listings; 1,000 if 0
	ignores       map[string]bool // conditions: "DELETE If-Match", "COPY If-None-Match", "GET If-Match", "GET Range"
	reversed      bool            // lists in the order of a directory bucket
	unknownTokens bool            // refuses continuation tokens

	// fail answers in its place, unless it returns nil. alter changes an answer.
	// lose drops the answer to a request that took effect.
	fail  func(*http.Request) *http.Response
	alter func(*http.Request, *http.Response)
	lose  func(*http.Request) bool

	mu      sync.Mutex
	buckets map[string]map[string]*content
	uploads map[string]*upload
	made    int
	seen    []*http.Request // without those that fail answered
}

type content struct {
	body     []byte
	etag     string
	modified time.Time
	crc      string
	meta     http.Header
}

type upload struct {
	key   string
	meta  http.Header
	parts map[int][]byte
}

func newContent(body string) *content {
	sum := md5.Sum([]byte(body))
	crc := crc32.ChecksumIEEE([]byte(body))
	return &content{
		body: []byte(body), etag: `"` + hex.EncodeToString(sum[:]) + `"`, modified: time.Now().UTC(),
		crc: base64.StdEncoding.EncodeToString([]byte{byte(crc >> 24), byte(crc >> 16), byte(crc >> 8), byte(crc)}),
	}
}

func (f *fake) bucket(name string) map[string]*content {
	if f.buckets == nil {
		f.buckets, f.uploads = map[string]map[string]*content{}, map[string]*upload{}
	}
	if f.buckets[name] == nil {
		f.buckets[name] = map[string]*content{}
	}
	return f.buckets[name]
}

// put stores an object in the bucket of most tests.
func (f *fake) put(name, body string) *content {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := newContent(body)
	f.bucket("feed")[name] = c
	return c
}

func (f *fake) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.bucket("feed"), name)
}

// body returns what is stored, or "" for nothing.
func (f *fake) body(bucket, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.bucket(bucket)[name]; c != nil {
		return string(c.body)
	}
	return ""
}

// read returns what is stored in the bucket of most tests.
func (f *fake) read(name string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.bucket("feed")[name]
	if c == nil {
		return "", fs.ErrNotExist
	}
	return string(c.body), nil
}

// operation names a request as IAM and the SDK do.
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Get("list-type") == "2":
		return "ListObjectsV2"
	case q.Has("versions"):
		return "ListObjectVersions"
	case r.Method == http.MethodPut && q.Has("uploadId"):
		return "UploadPartCopy"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "CompleteMultipartUpload"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "AbortMultipartUpload"
	case q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	}
	return map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[r.Method]
}

// requests returns those of an operation so far, and forgets them.
func (f *fake) requests(op string) []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var of []*http.Request
	f.seen = slices.DeleteFunc(f.seen, func(r *http.Request) bool {
		if operation(r) == op {
			of = append(of, r)
			return true
		}
		return false
	})
	return of
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if f.fail != nil {
		if resp := f.fail(r); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	f.mu.Lock()
	f.seen = append(f.seen, r)
	resp := f.serve(r)
	f.mu.Unlock()
	if f.alter != nil {
		f.alter(r, resp)
	}
	if f.lose != nil && f.lose(r) {
		return nil, errors.New("connection reset by peer")
	}
	return resp, nil
}

// serve answers a request; f.mu is held.
func (f *fake) serve(r *http.Request) *http.Response {
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	objects := f.bucket(name)
	switch operation(r) {
	case "ListObjectsV2":
		return f.list(r, objects)
	case "GetObject", "HeadObject":
		return f.get(r, objects[key])
	case "DeleteObject":
		c := objects[key]
		if want := r.Header.Get("If-Match"); want != "" && !f.ignores["DELETE If-Match"] {
			switch {
			case c == nil:
				return refusal(r, http.StatusNotFound, "NoSuchKey")
			case c.etag != want:
				return refusal(r, http.StatusPreconditionFailed, "PreconditionFailed")
			}
		}
		delete(objects, key)
		return answer(r, http.StatusNoContent, "")
	case "CopyObject", "UploadPartCopy":
		return f.copy(r, objects, key)
	}
	return f.multipart(r, objects, key)
}

func (f *fake) get(r *http.Request, c *content) *http.Response {
	switch {
	case c == nil && r.Method == http.MethodHead:
		return answer(r, http.StatusNotFound, "")
	case c == nil:
		return refusal(r, http.StatusNotFound, "NoSuchKey")
	}
	if want := r.Header.Get("If-Match"); want != "" && want != c.etag && !f.ignores["GET If-Match"] {
		return refusal(r, http.StatusPreconditionFailed, "PreconditionFailed")
	}
	status, body := http.StatusOK, c.body
	off, end := 0, len(body)
	if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !f.ignores["GET Range"] {
		first, last, _ := strings.Cut(text, "-")
		off, _ = strconv.Atoi(first)
		if n, err := strconv.Atoi(last); err == nil {
			end = min(end, n+1)
		}
		if off >= len(body) {
			return refusal(r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		}
		status = http.StatusPartialContent
	}
	resp := answer(r, status, string(body[off:end]))
	if status == http.StatusPartialContent {
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, end-1, len(body)))
	} else if r.Header.Get("X-Amz-Checksum-Mode") != "" {
		resp.Header.Set("X-Amz-Checksum-Crc32", c.crc)
	}
	resp.Header.Set("Etag", c.etag)
	resp.Header.Set("Last-Modified", c.modified.Format(http.TimeFormat))
	maps.Copy(resp.Header, c.meta)
	if r.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp
}

func (f *fake) list(r *http.Request, objects map[string]*content) *http.Response {
	type listed struct {
		Key, ETag, LastModified string
		Size                    int
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Name                  string
		IsTruncated           bool
		EncodingType          string `xml:",omitempty"`
		NextContinuationToken string `xml:",omitempty"`
		Contents              []listed
	}
	q := r.URL.Query()
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		if f.unknownTokens {
			return refusal(r, http.StatusBadRequest, "InvalidArgument")
		}
		plain, err := hex.DecodeString(token)
		if err != nil {
			return refusal(r, http.StatusBadRequest, "InvalidArgument")
		}
		after = string(plain)
	}
	out.EncodingType = q.Get("encoding-type")
	var names []string
	for name := range objects {
		rest, ok := strings.CutPrefix(name, q.Get("prefix"))
		if d := q.Get("delimiter"); ok && (d == "" || !strings.Contains(rest, d)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if f.reversed {
		slices.Reverse(names)
		if i := slices.Index(names, after); i >= 0 {
			names = names[i+1:]
		}
	} else {
		names = slices.DeleteFunc(names, func(name string) bool { return name <= after })
	}
	size := f.pageSize
	if size == 0 {
		size = 1000
	}
	if len(names) > size {
		names = names[:size]
		out.IsTruncated, out.NextContinuationToken = true, hex.EncodeToString([]byte(names[size-1]))
	}
	for _, name := range names {
		c := objects[name]
		if out.EncodingType == "url" {
			name = strings.ReplaceAll(url.QueryEscape(name), "%2F", "/")
		}
		out.Contents = append(out.Contents, listed{name, c.etag, c.modified.Format("2006-01-02T15:04:05.000Z"), len(c.body)})
	}
	text, err := xml.Marshal(out)
	if err != nil {
		panic(err)
	}
	return answer(r, http.StatusOK, string(text))
}

func (f *fake) copy(r *http.Request, objects map[string]*content, key string) *http.Response {
	from, err := url.QueryUnescape(r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return refusal(r, http.StatusBadRequest, "InvalidArgument")
	}
	bucket, name, _ := strings.Cut(from, "/")
	c := f.bucket(bucket)[name]
	switch {
	case c == nil:
		return refusal(r, http.StatusNotFound, "NoSuchKey")
	case r.Header.Get("X-Amz-Copy-Source-If-Match") != c.etag:
		return refusal(r, http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Header.Get("If-None-Match") != "" && objects[key] != nil && !f.ignores["COPY If-None-Match"]:
		return refusal(r, http.StatusPreconditionFailed, "PreconditionFailed")
	}
	made := newContent(string(c.body))
	made.meta = c.meta
	result := "CopyObjectResult"
	if id := r.URL.Query().Get("uploadId"); id != "" {
		off, last := 0, len(c.body)-1
		if stretch := r.Header.Get("X-Amz-Copy-Source-Range"); stretch != "" {
			if _, err := fmt.Sscanf(stretch, "bytes=%d-%d", &off, &last); err != nil || last >= len(c.body) {
				return refusal(r, http.StatusBadRequest, "InvalidArgument")
			}
		}
		if f.uploads[id] == nil {
			return refusal(r, http.StatusNotFound, "NoSuchUpload")
		}
		number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
		f.uploads[id].parts[number] = c.body[off : last+1]
		made, result = newContent(string(c.body[off:last+1])), "CopyPartResult"
	} else {
		objects[key] = made
	}
	return answer(r, http.StatusOK, "<"+result+"><ETag>"+made.etag+"</ETag></"+result+">")
}

func (f *fake) multipart(r *http.Request, objects map[string]*content, key string) *http.Response {
	id := r.URL.Query().Get("uploadId")
	switch op := operation(r); {
	case op == "CreateMultipartUpload":
		f.made++
		id := "upload-" + strconv.Itoa(f.made)
		f.uploads[id] = &upload{key, http.Header{"Content-Type": r.Header["Content-Type"]}, map[int][]byte{}}
		return answer(r, http.StatusOK, "<InitiateMultipartUploadResult><UploadId>"+id+"</UploadId></InitiateMultipartUploadResult>")
	case f.uploads[id] == nil:
		return refusal(r, http.StatusNotFound, "NoSuchUpload")
	case op == "AbortMultipartUpload":
		delete(f.uploads, id)
		return answer(r, http.StatusNoContent, "")
	case op == "CompleteMultipartUpload":
		if r.Header.Get("If-None-Match") != "" && objects[key] != nil && !f.ignores["COMPLETE If-None-Match"] {
			return refusal(r, http.StatusPreconditionFailed, "PreconditionFailed")
		}
		up := f.uploads[id]
		var body bytes.Buffer
		for n := 1; n <= len(up.parts); n++ {
			body.Write(up.parts[n])
		}
		made := newContent(body.String())
		made.etag = strings.TrimSuffix(made.etag, `"`) + "-" + strconv.Itoa(len(up.parts)) + `"`
		made.meta = up.meta
		objects[key] = made
		delete(f.uploads, id)
		return answer(r, http.StatusOK, "<CompleteMultipartUploadResult><ETag>"+made.etag+"</ETag></CompleteMultipartUploadResult>")
	}
	return refusal(r, http.StatusNotImplemented, "NotImplemented")
}

func refusal(r *http.Request, status int, code string) *http.Response {
	return answer(r, status, "<Error><Code>"+code+"</Code><Message>no</Message></Error>")
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{
			"Content-Type":   {"application/xml"},
			"Content-Length": {strconv.Itoa(len(body))},
			"Date":           {time.Now().UTC().Format(http.TimeFormat)},
		},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// clientOf returns a client that does not retry.
func clientOf(endpoint string, rt http.RoundTripper, optFns ...func(*awss3.Options)) *awss3.Client {
	return s3.NewClient(aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secretsecret", ""),
		HTTPClient:  &http.Client{Transport: rt},
	}, append([]func(*awss3.Options){func(o *awss3.Options) {
		o.BaseEndpoint, o.UsePathStyle, o.Retryer = &endpoint, true, aws.NopRetryer{}
	}}, optFns...)...)
}

// open returns the source of the folder "in" in a fake.
func open(tb testing.TB, f http.RoundTripper, cfg s3.Config) *s3.Source {
	tb.Helper()
	if cfg.Bucket == "" {
		cfg.Bucket, cfg.Prefix = "feed", "in"
	}
	s, err := s3.New(clientOf("http://s3.test", f), cfg)
	require.NoError(tb, err)
	return s
}

// keys lists a source.
func keys(tb testing.TB, s source.Source) []string {
	tb.Helper()
	got := []string{}
	for o, err := range s.Objects(tb.Context()) {
		require.NoError(tb, err)
		got = append(got, o.Key)
	}
	return got
}

// read opens a range of an object and reads it to the end.
func read(tb testing.TB, s source.Source, o source.Object, off, n int64) (string, error) {
	tb.Helper()
	r, _, err := s.Open(tb.Context(), o, off, n)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

func object(key string) source.Object { return source.Object{Key: key, Size: -1} }

// inProcess is an HTTP client of an S3 with the bucket "feed".
func inProcess(objects map[string]string) *http.Client {
	f := &fake{}
	for name, body := range objects {
		f.put(name, body)
	}
	return &http.Client{Transport: f}
}
