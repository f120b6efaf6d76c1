package sqstest_test

import (
	"net/http"
	"testing"
)

// newHTTP returns an HTTP client whose connections are closed with the test.
func newHTTP(t *testing.T) *http.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
