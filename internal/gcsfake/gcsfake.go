// Package gcsfake is a Google Cloud Storage in the process, for tests: an
// [http.RoundTripper], and an [http.Handler], that keeps objects in memory and
// fails on demand.
//
// It speaks the part of the JSON API that the stores of this module ask for, and
// that of the XML API through which they read. It is strict where the service is: conditions on generations, checksums that were
// announced, the size of chunks. It checks no credentials.
package gcsfake

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // it is what the service tells
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"
)

// Fault is what goes wrong with a request. Its zero value is nothing.
type Fault struct {
	Wait time.Duration // before anything, unless the request is given up
	// Status and Reason are answered, and nothing is done.
	Status int
	Reason string
	Drop   bool // the connection breaks before anything is done
	Lose   bool // it is done, and the connection breaks before the answer
	// Cut breaks the connection after so many bytes of the answer's body, and End
	// ends the body there, as if that were all. Announce is then what is announced
	// as its length: -1 is nothing, 0 the truth.
	Cut, End int64
	Announce int64
	// Flip changes the first byte of the answer's body, Garble that of the content
	// that is uploaded or copied, before it arrives.
	Flip, Garble bool
}

// Server is a Cloud Storage with any number of buckets, which need not be made.
type Server struct {
	// Fault is asked about every request. op is one of list, get, read, delete,
	// rewrite, insert (an upload in one request), begin and chunk (of a resumable
	// one). Set before use; it is called from any goroutine.
	Fault func(op string, r *http.Request) Fault
	// PageSize is the largest page of listings. Defaults to 1,000.
	PageSize int
	// Missing is the name of a bucket that does not exist. Set before use.
	Missing string
	// RequesterPays has requests without a project refused. Set before use.
	RequesterPays bool
	// Forget keeps of what is uploaded in chunks nothing but the size: for tests of
	// memory. Set before use.
	Forget bool

	mu       sync.Mutex
	objects  map[string]*object // by bucket/name
	sessions map[string]*session
	serial   int64
	ops      map[string]int
}

type object struct {
	body       []byte
	size       int64
	generation int64
	created    time.Time
	crc        uint32
	md5        []byte // nil for what was uploaded in chunks
	encoding   string
	meta       map[string]string
}

// Client returns a client of the server, which retries as the real one does.
// It is closed by the caller, which may leave that: it holds nothing.
func (s *Server) Client(opts ...option.ClientOption) (*storage.Client, error) {
	return ClientOf("http://gcs.test", s, opts...)
}

// ClientOf returns a client of any server.
func ClientOf(url string, transport http.RoundTripper, opts ...option.ClientOption) (*storage.Client, error) {
	return storage.NewClient(context.Background(), append([]option.ClientOption{
		option.WithHTTPClient(&http.Client{Transport: transport}), option.WithEndpoint(url + "/storage/v1/"),
		option.WithoutAuthentication(), // or it asks the network whether it runs in Google Cloud
	}, opts...)...)
}

// Put stores an object, and returns its generation. encoding is its
// Content-Encoding.
func (s *Server) Put(bucket, name, body, encoding string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	o := s.newObject([]byte(body))
	o.encoding = encoding
	s.objects[bucket+"/"+name] = o
	return o.generation
}

// Delete removes an object.
func (s *Server) Delete(bucket, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, bucket+"/"+name)
}

// Body returns what is stored, and false for nothing.
func (s *Server) Body(bucket, name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[bucket+"/"+name]
	if !ok {
		return "", false
	}
	return string(o.body), true
}

// Strip takes the MD5 of an object away, as if it had been composed of others.
func (s *Server) Strip(bucket, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[bucket+"/"+name].md5 = nil
}

// Objects returns the names of all objects, as bucket/name, sorted.
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

// Size returns the size of an object, and false if there is none.
func (s *Server) Size(bucket, name string) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[bucket+"/"+name]
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

func (s *Server) init() {
	if s.ops == nil {
		s.ops, s.objects, s.sessions = map[string]int{}, map[string]*object{}, map[string]*session{}
	}
}

// firstGeneration is where generations begin: microseconds, as the service's.
const firstGeneration = 1_700_000_000_000_000

// newObject makes an object of a body that is whole; s.mu is held.
func (s *Server) newObject(body []byte) *object {
	s.serial++
	sum := md5.Sum(body) //nolint:gosec // as above
	return &object{
		body: body, size: int64(len(body)), generation: firstGeneration + s.serial, md5: sum[:],
		created: time.Now().UTC().Truncate(time.Millisecond), crc: crc32.Checksum(body, castagnoli),
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errReset is what a client sees of a connection that broke.
var errReset = fmt.Errorf("connection reset by peer: %w", io.ErrUnexpectedEOF)

// RoundTrip implements [http.RoundTripper].
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	q := parse(r)
	var f Fault
	if s.Fault != nil {
		f = s.Fault(q.op, r)
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
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.ops[q.op]++
	if f.Status != 0 {
		return refuse(r, f.Status, f.Reason), nil
	}
	q.garbled = f.Garble
	resp := s.serve(q, r, sent)
	if f.Lose {
		return nil, errReset
	}
	return f.spoil(resp), nil
}

// spoil changes an answer.
func (f Fault) spoil(resp *http.Response) *http.Response {
	body := resp.Body
	if f.Flip {
		all, err := io.ReadAll(body)
		if err == nil && len(all) > 0 {
			all[0] ^= 1
		}
		body = io.NopCloser(bytes.NewReader(all))
	}
	switch {
	case f.Cut > 0 && f.Cut < resp.ContentLength:
		body = io.NopCloser(io.MultiReader(io.LimitReader(body, f.Cut), broken{}))
	case f.End > 0 && f.End < resp.ContentLength:
		body = io.NopCloser(io.LimitReader(body, f.End))
	}
	resp.Body = body
	if f.Announce != 0 {
		resp.ContentLength = f.Announce
		resp.Header.Set("Content-Length", strconv.FormatInt(f.Announce, 10))
	}
	return resp
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

// errQuery is the reason of a request that is not understood.
var errQuery = errors.New("invalid")
