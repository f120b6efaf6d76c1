package sqstest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/unspool-go/unspool/internal/standin"
)

// maxRequest bounds what the server reads: a megabyte in which every character
// is escaped as six, and the rest of the request.
const maxRequest = 7 << 20

// target is the prefix of X-Amz-Target.
const target = "AmazonSQS."

// buffers are reused between requests: raw for what came in, text for strings
// unescaped from it.
type buffers struct{ raw, text []byte }

var pool = sync.Pool{New: func() any { return new(buffers) }}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.front.ServeHTTP(w, r) }

// serve answers a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, number int) {
	ctx := r.Context() // ends with the connection: when the client leaves, and on Close
	buf := pool.Get().(*buffers)
	defer pool.Put(buf)
	if err := buf.read(r); err != nil {
		standin.Cut(w) // the client went away, or sends without end
		return
	}
	c := &Call{Operation: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target), Number: number}
	s.front.Count(c.Operation)
	out, fault, apiErr := s.handle(ctx, r, c, buf)
	switch {
	case fault.Cut || fault.LoseResponse || ctx.Err() != nil:
		standin.Cut(w)
	case apiErr != nil:
		writeError(w, apiErr)
	default:
		write(w, http.StatusOK, out)
	}
}

// read fills raw with the body of r.
func (b *buffers) read(r *http.Request) error {
	if n := r.ContentLength; n > maxRequest {
		return io.ErrShortBuffer
	} else if int(n)+bytes.MinRead > cap(b.raw) {
		b.raw = make([]byte, 0, int(n)+bytes.MinRead) // MinRead is what finding the end takes
	}
	buf := bytes.NewBuffer(b.raw[:0])
	_, err := buf.ReadFrom(io.LimitReader(r.Body, maxRequest))
	b.raw = buf.Bytes()
	return err
}

// handle checks and carries out a call.
func (s *Server) handle(ctx context.Context, r *http.Request, c *Call, buf *buffers) (any, Fault, *apiError) {
	if err := s.checkHTTP(r); err != nil {
		return nil, Fault{}, err
	}
	switch c.Operation {
	case "SendMessage", "SendMessageBatch":
		d := newDecoder(buf.raw, buf.text)
		buf.text = d.out
		req, err := decodeSend(d, c.Operation == "SendMessageBatch")
		if err != nil {
			return nil, Fault{}, malformed()
		}
		c.Entries = len(req.entries)
		return s.disturb(ctx, c, req.url, func(f Fault) (any, *apiError) {
			if c.Operation == "SendMessage" {
				return s.sendMessage(&req)
			}
			return s.sendBatch(&req, f.Entries)
		})
	case "ReceiveMessage":
		return run(ctx, s, c, buf, func(in *receiveRequest) string { return in.QueueUrl }, func(in *receiveRequest, _ Fault) (any, *apiError) {
			return s.receive(ctx, in)
		})
	}
	if act, ok := settles[c.Operation]; ok {
		return run(ctx, s, c, buf, func(in *settleRequest) string { return in.QueueUrl }, func(in *settleRequest, f Fault) (any, *apiError) {
			in.faults = f.Entries
			return act(s, in)
		})
	}
	if act, ok := admins[c.Operation]; ok {
		return run(ctx, s, c, buf, func(in *named) string { return in.QueueUrl }, func(in *named, _ Fault) (any, *apiError) { return act(s, in) })
	}
	return nil, Fault{}, fail("InvalidAction", "The action or operation requested is invalid.")
}

var settles = map[string]func(*Server, *settleRequest) (any, *apiError){
	"DeleteMessage": func(s *Server, in *settleRequest) (any, *apiError) { return s.settle(in, (*queue).remove) },
	"DeleteMessageBatch": func(s *Server, in *settleRequest) (any, *apiError) {
		return s.settleBatch(in, "DeleteMessageBatchRequestEntry", (*queue).remove)
	},
	"ChangeMessageVisibility": func(s *Server, in *settleRequest) (any, *apiError) { return s.settle(in, (*queue).hide) },
	"ChangeMessageVisibilityBatch": func(s *Server, in *settleRequest) (any, *apiError) {
		return s.settleBatch(in, "ChangeMessageVisibilityBatchRequestEntry", (*queue).hide)
	},
}

var admins = map[string]func(*Server, *named) (any, *apiError){
	"CreateQueue":        (*Server).createQueue,
	"DeleteQueue":        (*Server).deleteQueue,
	"GetQueueUrl":        (*Server).getQueueURL,
	"GetQueueAttributes": (*Server).getQueueAttributes,
	"SetQueueAttributes": (*Server).setQueueAttributes,
	"ListQueues":         (*Server).listQueues,
	"PurgeQueue":         (*Server).purgeQueue,
}

// run decodes the request of an operation that carries no bodies, and carries
// it out.
func run[T any](ctx context.Context, s *Server, c *Call, buf *buffers, queueURL func(*T) string, act func(*T, Fault) (any, *apiError)) (any, Fault, *apiError) {
	in := new(T)
	if err := json.Unmarshal(buf.raw, in); err != nil {
		return nil, Fault{}, malformed()
	}
	return s.disturb(ctx, c, queueURL(in), func(f Fault) (any, *apiError) { return act(in, f) })
}

func malformed() *apiError {
	return fail("MalformedInput", "The request is not what the operation takes.")
}

// disturb carries out act under the fault that is injected for the call.
func (s *Server) disturb(ctx context.Context, c *Call, queueURL string, act func(Fault) (any, *apiError)) (any, Fault, *apiError) {
	if u, err := url.Parse(queueURL); err == nil && queueURL != "" {
		c.Queue = path.Base(u.Path)
	}
	f := s.injector.Fault(c)
	standin.Stall(ctx, f.Delay)
	switch {
	case f.Cut:
		return nil, f, nil
	case f.Code != "":
		return nil, f, fail(f.Code, "Injected.")
	}
	out, err := act(f)
	return out, f, err
}

// checkHTTP checks what stands around the body.
func (s *Server) checkHTTP(r *http.Request) *apiError {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" || !strings.HasPrefix(r.Header.Get("X-Amz-Target"), target) {
		return fail("InvalidAction", "The action or operation requested is invalid.")
	}
	switch standin.CheckSignature(r.Header, s.cfg.Region, "sqs") {
	case standin.Unsigned:
		return fail("MissingAuthenticationToken", "Request is missing Authentication Token.")
	case standin.Incomplete:
		return fail("IncompleteSignature", "Authorization header is not a complete Signature Version 4.")
	case standin.OutOfScope:
		return fail("InvalidSignatureException", "Credential should be scoped to this date, %s and sqs.", s.cfg.Region)
	default:
		return nil
	}
}

// write answers with JSON.
func write(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // only of types of this package, to memory
	standin.Answer(w, status, newID(), bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

func writeError(w http.ResponseWriter, e *apiError) {
	who := "Receiver"
	if e.sender() {
		who = "Sender"
	}
	w.Header().Set("X-Amzn-Query-Error", e.code+";"+who)
	write(w, e.status, map[string]string{"__type": e.shape, "message": e.message})
}
