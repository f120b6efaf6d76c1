package web

import (
	"net"
	"net/http"
	"time"

	"github.com/unspool-go/unspool/internal/plainhttp"
)

const (
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 64 << 10
	// idleTimeout is how long connections are kept that nobody uses.
	idleTimeout = time.Minute
)

// transport makes the connections of a Source. They speak HTTP/1.1, one answer at
// a time: in HTTP/2 one cut connection would cut every reader. Each answer has its
// own time-outs (see body); those of full are for what goes on after a request was
// given up.
type transport struct {
	plain *plainhttp.Transport // for reading over http; nil where it does not reach the host
	full  *http.Transport      // for everything else
}

func newTransport(cfg Config, host string) *transport {
	dialer := net.Dialer{Timeout: cfg.Timeout}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	t := &transport{full: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    cfg.Timeout,
		Protocols:              &protocols,
		DisableCompression:     true,
		MaxIdleConns:           cfg.MaxConns + 1,
		MaxIdleConnsPerHost:    cfg.MaxConns + 1,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ReadBufferSize:         16 << 10,
	}}
	if plainhttp.Reaches(host) {
		t.plain = plainhttp.New(plainhttp.Config{
			Host: host, DialContext: dialer.DialContext,
			MaxHeaderBytes: maxHeaderBytes, MaxIdle: cfg.MaxConns + 1, IdleTimeout: idleTimeout, Silence: cfg.Timeout,
		})
	}
	return t
}

// plainly reports whether a request goes by plain, which looks to it by itself that
// the server does not keep silent.
func (t *transport) plainly(req *http.Request) bool { return t.plain != nil && t.plain.Takes(req) }

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.plainly(req) {
		return t.plain.RoundTrip(req)
	}
	return t.full.RoundTrip(req)
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *transport) CloseIdleConnections() {
	if t.plain != nil {
		t.plain.CloseIdleConnections()
	}
	t.full.CloseIdleConnections()
}
