package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// transportError marks an error of a transport. That a server cannot be reached,
// or cuts a connection, is nobody's fault; a certificate that does not hold is
// no outage.
func transportError(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Fatal(err)
	}
	return fault.Interrupted(&unquoted{err})
}

// unquoted is an error of net/http without the bytes of an answer that it
// quotes: where a server sends more than it announced, they are payload.
type unquoted struct{ err error }

func (e *unquoted) Error() string {
	if _, ok := errors.AsType[textproto.ProtocolError](e.err); ok {
		return "malformed HTTP header"
	}
	text, _, _ := strings.Cut(e.err.Error(), `"`)
	return strings.TrimRight(text, " :")
}

func (e *unquoted) Unwrap() error { return e.err }

// statusError says what an answer means that is not the one hoped for.
//
// Credentials that are refused (401, and 407 of a proxy) are so for every
// object. A server that is overloaded or broken (5xx, 429, 408, 425) is an
// outage. 403 is the mode of one file.
func statusError(resp *http.Response) error {
	code := resp.StatusCode
	err := fmt.Errorf("the server answers %d", code)
	if text := http.StatusText(code); text != "" {
		err = fmt.Errorf("the server answers %d %s", code, text)
	}
	switch {
	case code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	case code == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", err, source.ErrChanged)
	case code == http.StatusUnauthorized, code == http.StatusProxyAuthRequired:
		return fault.Fatal(err)
	case code == http.StatusNotImplemented, code == http.StatusHTTPVersionNotSupported:
		return err
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return fault.Interrupted(err)
	case code >= 300 && code < 400 && code != http.StatusNotModified:
		return fmt.Errorf("%w to %s, which is not followed", err, redirectedTo(resp))
	}
	return err
}

// redirectedTo quotes where a redirect leads, without what may be secret.
func redirectedTo(resp *http.Response) string {
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return "a malformed URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	const most = 200
	text := u.String()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
