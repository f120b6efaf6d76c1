package sqs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// WithFastBody is an option of the SDK's client that writes the JSON of
// SendMessageBatch with this package's encoder, into a buffer that is used
// again, instead of the SDK's, which spends almost half of a call's CPU on it.
// Credentials, endpoints, signing, retries, metadata and the reading of the
// answer stay the SDK's. What is sent is the same JSON.
//
//	sqs.NewClient(cfg, sqs.WithFastBody)
//
// Requests with what the sink never sends (binary or system attributes, text
// that is not UTF-8) go through the SDK's encoder as before.
func WithFastBody(o *awssqs.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		if stack.ID() != "SendMessageBatch" {
			return nil
		}
		fast := new(fastSerializer)
		plain, err := stack.Serialize.Swap(fast.ID(), fast)
		fast.plain = plain
		return err
	})
}

// fastSerializer takes the place of the SDK's serializer in one operation.
type fastSerializer struct {
	plain middleware.SerializeMiddleware
}

// ID is that of the SDK's serializer.
func (*fastSerializer) ID() string { return "OperationSerializer" }

// buffers hold encoded requests.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// HandleSerialize implements [middleware.SerializeMiddleware].
func (f *fastSerializer) HandleSerialize(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
	req, isHTTP := in.Request.(*smithyhttp.Request)
	params, isBatch := in.Parameters.(*awssqs.SendMessageBatchInput)
	if !isHTTP || !isBatch {
		return f.plain.HandleSerialize(ctx, in, next)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	encoded, ok := appendBatch((*buf)[:0], params)
	if !ok {
		return f.plain.HandleSerialize(ctx, in, next)
	}
	*buf = encoded
	stream := &body{data: encoded}
	defer stream.release() // before the buffer goes back

	req.Method = http.MethodPost
	if req.URL.Path == "" {
		req.URL.Path = "/"
	}
	req.Header.Set("X-Amz-Target", "AmazonSQS.SendMessageBatch")
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amzn-Query-Mode", "true")
	req, err := req.SetStream(stream)
	if err != nil {
		return middleware.SerializeOutput{}, middleware.Metadata{}, err
	}
	in.Request = req
	// The signer would read the stream in steps to hash it.
	sum := sha256.Sum256(encoded)
	ctx = v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:]))
	return next.HandleSerialize(ctx, in)
}

// body is a request body over a buffer that outlives it. net/http may go on
// reading a body after the call returned; once released there is nothing to
// read, and nobody sees the buffer's next content.
type body struct {
	mu   sync.Mutex
	data []byte
	pos  int
	gone bool
}

var errReleased = errors.New("sqs: the request body is no longer there")

// release waits for a Read under way, which copies and does not block.
func (b *body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data, b.gone = nil, true
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return 0, errReleased
	}
	if b.pos >= len(b.data) {
		return 0, io.EOF
	}
	n := copy(p, b.data[b.pos:])
	b.pos += n
	return n, nil
}

// Seek implements [io.Seeker], as retries need it.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += int64(b.pos)
	case io.SeekEnd:
		offset += int64(len(b.data))
	}
	if offset < 0 || offset > int64(len(b.data)) {
		return 0, errors.New("sqs: seek outside the request body")
	}
	b.pos = int(offset)
	return offset, nil
}
