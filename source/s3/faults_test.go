package s3_test

import (
	"io"
	"net/http"
)

// cutAfter has the body of an answer end with err after n bytes, or, where err
// is nil, as if it were at its end.
func cutAfter(n int, err error) func(*http.Response) {
	if err == nil {
		err = io.EOF
	}
	return func(resp *http.Response) { resp.Body = &brokenBody{resp.Body, n, func() error { return err }} }
}

// stallAfter has nothing come after n bytes, until the request ends.
func stallAfter(n int) func(*http.Response) {
	return func(resp *http.Response) {
		ctx := resp.Request.Context()
		resp.Body = &brokenBody{resp.Body, n, func() error {
			<-ctx.Done()
			return ctx.Err()
		}}
	}
}

type brokenBody struct {
	io.ReadCloser
	left int
	then func() error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.then()
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
