package web

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/unspool-go/unspool/internal/plainhttp"
)

// NewPlain returns the transport of a Source at http://files.example, over other
// connections.
func NewPlain(dial func(ctx context.Context, network, addr string) (net.Conn, error), timeout time.Duration) http.RoundTripper {
	return &transport{
		plain: plainhttp.New(plainhttp.Config{Host: "files.example", DialContext: dial, MaxHeaderBytes: maxHeaderBytes, MaxIdle: 100, Silence: timeout}),
		full:  &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 100},
	}
}
