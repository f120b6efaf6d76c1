package dynamodbtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/unspool-go/unspool/internal/standin"
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
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.front.ServeHTTP(w, r) }

// serve answers a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, number int) {
	buf := pool.Get().(*buffers)
	defer pool.Put(buf)
	whole, err := buf.read(r)
	if err != nil {
		standin.Cut(w) // the client went away
		return
	}
	target := r.Header.Get("X-Amz-Target")
	act, known := operations[target]
	_, name, _ := strings.Cut(target, ".")
	s.front.Count(name)
	w.Header().Set("Date", s.front.Now().UTC().Format(http.TimeFormat))
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
		standin.Cut(w)
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
	req.fault = s.injector.Fault(req.call)
	standin.Stall(req.ctx, req.fault.Delay)
	switch {
	case req.fault.Cut:
		return nil, nil
	case req.fault.Code != "":
		return nil, fail(req.fault.Code, "Injected.")
	}
	req.now = s.front.Now()
	return act.run(s, req)
}

// checkHTTP checks the signature's form.
func (s *Server) checkHTTP(r *http.Request) *apiError {
	switch standin.CheckSignature(r.Header, s.cfg.Region, "dynamodb") {
	case standin.Unsigned:
		return fail("MissingAuthenticationTokenException", "Request must contain either a valid (registered) AWS access key ID or X.509 certificate.")
	case standin.Incomplete:
		return fail("IncompleteSignatureException", "Authorization header is not a complete Signature Version 4.")
	case standin.OutOfScope:
		return fail("InvalidSignatureException", "Credential should be scoped to this date, %s and dynamodb.", s.cfg.Region)
	default:
		return nil
	}
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body []byte) {
	standin.Answer(w, status, strings.ToUpper(random(26)), body)
}

// random returns random characters, two for each byte.
func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
