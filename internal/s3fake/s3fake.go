// Package s3fake is an S3 in the process, for tests: an [http.RoundTripper], and
// an [http.Handler], that keeps objects in memory and fails on demand.
//
// It is strict where S3 is: pieces of less than 5 MiB, wrong ETags and conditions
// that do not hold are refused. It checks no signatures, and knows only what the
// stores of this module ask for.
package s3fake

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Fault is what goes wrong with a request. Its zero value is nothing.
type Fault struct {
	Wait time.Duration // before anything, unless the request is given up
	// Status and Code are answered, and nothing is done.
	Status int
	Code   string
	Drop   bool  // the connection breaks before anything is done
	Lose   bool  // it is done, and the connection breaks before the answer
	Cut    int64 // the connection breaks after so many bytes of the answer's body
}

// Server is an S3 with any number of buckets, which need not be made.
type Server struct {
	// Fault is asked about every request. op is as the SDK calls it, such as
	// PutObject. Set before use; it is called from any goroutine.
	Fault func(op string, r *http.Request) Fault
	// PageSize is the largest page of listings. Defaults to 1,000.
	PageSize int
	// Forget keeps of pieces of uploads, and of objects made of them, nothing but
	// the size: for tests of memory.
	Forget bool

	mu      sync.Mutex
	objects map[string]*object // by bucket/key
	uploads map[string]*upload
	serial  int
	ops     map[string]int
	largest int // page that was listed
}

type object struct {
	content
	meta http.Header
	time time.Time
}

type upload struct {
	name   string
	meta   http.Header
	pieces map[int]*object
}

// Client returns an SDK client of the server that does not retry.
func (s *Server) Client(optFns ...func(*s3.Options)) *s3.Client {
	return ClientOf("http://s3.test", s, optFns...)
}

// ClientOf returns an SDK client of any server that does not retry.
func ClientOf(url string, transport http.RoundTripper, optFns ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secretsecret", ""),
		HTTPClient:  &http.Client{Transport: transport}, Retryer: aws.NopRetryer{},
	}, optFns...)
}

// Objects returns the names of all objects, as bucket/key, sorted.
func (s *Server) Objects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names("")
}

func (s *Server) names(prefix string) []string {
	var names []string
	for name := range s.objects {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Uploads returns how many multipart uploads were begun and neither completed
// nor aborted.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// Size returns the size of an object named bucket/key, and false if there is
// none.
func (s *Server) Size(name string) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return 0, false
	}
	return o.size, true
}

// Count returns the number of requests of an operation so far.
func (s *Server) Count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ops[op]
}

// operation names a request as the SDK does.
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && q.Has("list-type"):
		return "ListObjectsV2"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "UploadPart"
	case r.Method == http.MethodPut:
		return "PutObject"
	case q.Has("uploadId"):
		return "AbortMultipartUpload"
	}
	return "DeleteObject"
}

// errReset is what a client sees of a connection that broke.
var errReset = errors.New("connection reset by peer")

// RoundTrip implements [http.RoundTripper].
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	op := operation(r)
	var f Fault
	if s.Fault != nil {
		f = s.Fault(op, r)
	}
	if f.Wait > 0 {
		select {
		case <-time.After(f.Wait):
		case <-r.Context().Done():
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if f.Drop {
		return nil, errReset
	}
	sent, err := s.receive(op, r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ops == nil {
		s.ops, s.objects, s.uploads = map[string]int{}, map[string]*object{}, map[string]*upload{}
	}
	s.ops[op]++
	if f.Status != 0 {
		return refuse(r, f.Status, f.Code), nil
	}
	resp := s.serve(op, r, sent)
	if f.Lose {
		return nil, errReset
	}
	if f.Cut > 0 && f.Cut < resp.ContentLength {
		resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, f.Cut), broken{}))
	}
	return resp, nil
}

// content is the body of a request.
type content struct {
	body []byte // nil if it was not kept
	size int64
	etag string
}

// receive reads the body of a request.
func (s *Server) receive(op string, r io.Reader) (content, error) {
	sum := md5.New()
	var c content
	var kept bytes.Buffer
	if r != nil {
		var err error
		to := io.MultiWriter(sum, &kept)
		if s.Forget && op == "UploadPart" {
			to = sum
		}
		if c.size, err = io.Copy(to, r); err != nil {
			return c, err
		}
	}
	c.body, c.etag = kept.Bytes(), `"`+hex.EncodeToString(sum.Sum(nil))+`"`
	return c, nil
}

// broken is the rest of a body that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP implements [http.Handler], for other processes. A connection that is
// to break is closed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resp, err := s.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(w, resp.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// serve carries out a request; s.mu is held.
func (s *Server) serve(op string, r *http.Request, sent content) *http.Response {
	name := strings.TrimPrefix(r.URL.Path, "/")
	there := s.objects[name]
	switch match := r.Header.Get("If-Match"); {
	case r.Header.Get("If-None-Match") != "" && there != nil:
		return refuse(r, http.StatusPreconditionFailed, "PreconditionFailed")
	case match != "" && (there == nil || there.etag != match):
		return refuse(r, http.StatusPreconditionFailed, "PreconditionFailed")
	}
	switch op {
	case "PutObject":
		o := newObject(sent, r.Header)
		s.objects[name] = o
		return answer(r, http.StatusOK, nil, o.etag)
	case "ListObjectsV2":
		return s.list(r, name)
	case "DeleteObject":
		delete(s.objects, name)
		return answer(r, http.StatusNoContent, nil, "")
	case "GetObject", "HeadObject":
		if there == nil {
			return refuse(r, http.StatusNotFound, "NoSuchKey")
		}
		return there.read(r)
	}
	return s.multipart(op, r, name, sent)
}

func newObject(c content, header http.Header) *object {
	o := &object{content: c, time: time.Now(), meta: http.Header{}}
	for name, values := range header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			o.meta[name] = values
		}
	}
	return o
}

// read answers GET and HEAD.
func (o *object) read(r *http.Request) *http.Response {
	body, status := o.body, http.StatusOK
	from, ranged := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	start, err := strconv.ParseInt(strings.TrimSuffix(from, "-"), 10, 64)
	if ranged && err == nil {
		if start >= int64(len(body)) {
			return refuse(r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		}
		body, status = body[start:], http.StatusPartialContent
	}
	resp := answer(r, status, body, o.etag)
	if status == http.StatusPartialContent {
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, o.size-1, o.size))
	}
	if r.Method == http.MethodHead {
		resp.Body, resp.ContentLength = http.NoBody, o.size
		resp.Header.Set("Content-Length", strconv.FormatInt(o.size, 10))
	}
	maps.Copy(resp.Header, o.meta)
	resp.Header.Set("Last-Modified", o.time.UTC().Format(http.TimeFormat))
	return resp
}

func refuse(r *http.Request, status int, code string) *http.Response {
	var body []byte
	if r.Method != http.MethodHead {
		body = fmt.Appendf(nil, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
	}
	return answer(r, status, body, "")
}

func answer(r *http.Request, status int, body []byte, etag string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/xml"}, "Content-Length": {strconv.Itoa(len(body))}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	if etag != "" {
		resp.Header.Set("Etag", etag)
	}
	return resp
}

func answerXML(r *http.Request, v any) *http.Response {
	text, err := xml.Marshal(v)
	if err != nil {
		return refuse(r, http.StatusInternalServerError, "InternalError")
	}
	return answer(r, http.StatusOK, text, "")
}
