package dynamodbtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxRequest bounds what a request may hold: the 16 MB that DynamoDB takes.
const maxRequest = 16 << 20

// The prefixes of X-Amz-Target.
const (
	tableTarget  = "DynamoDB_20120810."
	streamTarget = "DynamoDBStreams_20120810."
)

// buffers are used again by later requests.
type buffers struct {
	raw []byte
	doc doc
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// request is a call that is being carried out.
type request struct {
	ctx   context.Context
	call  *Call
	fault Fault
	in    ref
	now   time.Time
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handling.Add(1)
	defer s.handling.Done()
	number := int(s.requests.Add(1))
	if s.away() {
		cut(w)
		return
	}
	buf := pool.Get().(*buffers)
	defer pool.Put(buf)
	whole, err := buf.read(r)
	if err != nil {
		cut(w) // the client went away
		return
	}
	target := r.Header.Get("X-Amz-Target")
	act, known := operations[target]
	_, name, _ := strings.Cut(target, ".")
	s.count(name)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	req := &request{ctx: r.Context(), call: &Call{Operation: name, Number: number}} // its ctx ends with the connection: when the client leaves, and on Close
	var (
		out    []byte
		apiErr *apiError
	)
	switch {
	case !known || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.0":
		apiErr = fail("UnknownOperationException", "")
	case !whole:
		apiErr = fail("RequestEntityTooLargeException", "Request size exceeded the allowed maximum.")
	default:
		if apiErr = s.checkHTTP(r); apiErr == nil {
			out, apiErr = s.handle(req, act, buf)
		}
	}
	switch {
	case req.fault.Cut || req.fault.LoseResponse || req.ctx.Err() != nil:
		cut(w)
	case apiErr != nil:
		answer(w, apiErr.status(), apiErr.body())
	default:
		answer(w, http.StatusOK, out)
	}
}

// read fills raw with the body of r, or reports that it is too large.
func (b *buffers) read(r *http.Request) (whole bool, err error) {
	if n := r.ContentLength; n <= maxRequest && int(n)+bytes.MinRead > cap(b.raw) {
		b.raw = make([]byte, 0, int(n)+bytes.MinRead) // MinRead is what finding the end takes
	}
	buf := bytes.NewBuffer(b.raw[:0])
	n, err := buf.ReadFrom(io.LimitReader(r.Body, maxRequest+1))
	b.raw = buf.Bytes()
	return n <= maxRequest, err
}

// handle parses a request, and carries it out under the fault that is injected
// for it.
func (s *Server) handle(req *request, act operation, buf *buffers) ([]byte, *apiError) {
	defer buf.doc.forget()
	in, err := buf.doc.parse(string(buf.raw))
	if err != nil || in.kind() != jsonObject {
		return nil, malformed()
	}
	req.in = in
	if err := act.name(req); err != nil {
		return nil, err
	}
	req.fault = s.fault(req.call)
	stall(req.ctx, req.fault.Delay)
	switch {
	case req.fault.Cut:
		return nil, nil
	case req.fault.Code != "":
		return nil, fail(req.fault.Code, "Injected.")
	}
	req.now = s.now()
	return act.run(s, req)
}

// authorization is a SigV4 header. The signature is not verified: any
// credentials do.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/, ]+/(\d{8})/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=[0-9a-f]{64}$`)

// checkHTTP checks the signature's form.
func (s *Server) checkHTTP(r *http.Request) *apiError {
	auth := r.Header.Get("Authorization")
	if auth == "" {
		return fail("MissingAuthenticationTokenException", "Request must contain either a valid (registered) AWS access key ID or X.509 certificate.")
	}
	m := authorization.FindStringSubmatch(auth)
	if m == nil || !signed(m[4], "host", "x-amz-date") || r.Header.Get("X-Amz-Date") == "" {
		return fail("IncompleteSignatureException", "Authorization header is not a complete Signature Version 4.")
	}
	if m[2] != s.cfg.Region || m[3] != "dynamodb" || !strings.HasPrefix(r.Header.Get("X-Amz-Date"), m[1]) {
		return fail("InvalidSignatureException", "Credential should be scoped to this date, %s and dynamodb.", s.cfg.Region)
	}
	return nil
}

// signed reports whether all names are among the signed headers.
func signed(headers string, names ...string) bool {
	for _, name := range names {
		if !strings.Contains(";"+headers+";", ";"+name+";") {
			return false
		}
	}
	return true
}

// answer writes JSON and its CRC-32.
func answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Requestid", strings.ToUpper(random(26)))
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is no concern of the server
}

// random returns random characters, two for each byte.
func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// cut closes the connection with a reset instead of an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // closed already
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
