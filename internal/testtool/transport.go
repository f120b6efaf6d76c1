package testtool

import (
	"io"
	"net/http"
)

// Transport is next for clients of the AWS SDK whose server is in the test's own
// process, and so may answer before net/http has seen the end of the request's
// body. The SDK closes the body as soon as the answer begins (smithy-go,
// transport/http/client.go), from when on its WriteTo returns io.EOF, an error to
// net/http (transfer.go, writeBody), which then closes the connection while the
// answer is read. A body that has no WriteTo just ends.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		plain := *r
		plain.Body = struct {
			io.Reader
			io.Closer
		}{r.Body, r.Body}
		r = &plain
	}
	return t.next.RoundTrip(r)
}
