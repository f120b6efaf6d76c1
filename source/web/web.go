// Package web is the [source.Source] of a directory that a web server lists:
// nginx (html, json or xml), Apache (all its layouts), Caddy (JSON or html) and
// Python's http.server. Each file below a URL is one object, whose key is its
// path relative to that URL: the same that source/dir gives it on the machine
// of the files.
//
// Nothing but what lies below the URL is ever asked for: links and redirects to
// other hosts, schemes or folders are not followed, whatever a page says.
//
// # What is listed
//
// A page counts as a listing only if it is one of a server that is known, or if
// [Config.Format] says so: a folder with an index.html is an error, not a folder
// of links. A listing is complete only if its end was seen; one that is cut is
// asked for again a few times, and then an error.
//
// Names are whatever bytes the files have, as far as the server shows them. Two
// do not show all: Python writes names that are not UTF-8 in a notation of its
// own, and nginx passes hidden files over. Symbolic links to folders are passed
// over where the server marks them (Caddy's JSON, Python); elsewhere the same
// file is listed under each path that leads to it, to the depth of
// [Config.MaxDepth]: have the server not follow them.
//
// Size and ModTime are listed by nginx in json and xml and by Caddy in JSON, the
// size alone by nginx in html where it is exact; elsewhere they are unknown
// until an object is opened. A [source.Object.Version] is known only then: the
// ETag. Workers that see a file through source/dir and others that see it here
// agree on claims by key, but not on claims by key and version: source/dir tells
// times in nanoseconds, HTTP in seconds.
//
// # What is read
//
// Bodies are the stored bytes: no coding is accepted. One that is shorter than
// announced is an error, never the end. A server that neither announces a length
// nor marks the end (HTTP/1.0 without Content-Length) cannot tell a cut: it is
// believed only where the listing told the size. What Open reads is compared
// with the object once more at its end, so that a file that was written to
// meanwhile gives [source.ErrChanged]. ReadObject spares that: a small file that
// is overwritten in place in the moment it is sent cannot be told. Files should
// be renamed into place, or [Config.MinAge] set.
//
// Objects are archived through source/dir on the machine of the files, with the
// same claims; or through a server whose WebDAV keeps to conditions, as Apache's
// does (see [DAV]). That of nginx deletes a file whatever If-Match says, so that
// another one under the same name could be lost, and is refused.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Source is a directory on a web server. It is safe for concurrent use.
type Source struct {
	cfg     Config
	root    url.URL       // with a slash at the end of its path, without user info
	request *http.Request // what all requests have in common
	header  http.Header   // likewise; read-only
	lists   http.RoundTripper
	reads   http.RoundTripper
	slots   chan struct{} // one for each connection that reads objects
	closed  atomic.Bool
}

var (
	_ source.Source      = (*Source)(nil)
	_ source.SmallReader = (*Source)(nil)
	_ source.Watcher     = (*Source)(nil)
	_ io.Closer          = (*Source)(nil)
)

// New returns the source of the directory at rawURL, such as
// "https://files.example.com/feed/". User info in it is taken as
// [Config.Username] and [Config.Password]. It reports every mistake, and
// connects to nothing yet.
func New(rawURL string, cfg Config) (*Source, error) {
	s := &Source{cfg: cfg.withDefaults()}
	if err := errors.Join(s.setRoot(rawURL), s.cfg.check()); err != nil {
		return nil, fault.Fatal(err)
	}
	s.request = &http.Request{Host: s.root.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	s.header = s.cfg.headers()
	s.slots = make(chan struct{}, s.cfg.MaxConns)
	s.lists, s.reads = s.cfg.Transport, s.cfg.Transport
	if s.cfg.Transport == nil {
		s.lists, s.reads = newTransport(s.cfg, s.root.Host), newTransport(s.cfg, s.root.Host)
	}
	return s, nil
}

var errURL = errors.New("web: URL: want http(s)://host/folder/")

// setRoot takes the URL apart. Its errors do not quote it: it may hold a
// password.
func (s *Source) setRoot(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errURL
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Opaque != "":
		return errURL
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return fmt.Errorf("%w, without a query or fragment", errURL)
	case u.User != nil && (s.cfg.Username != "" || s.cfg.Password != "" || s.cfg.Token != ""):
		return errors.New("web: URL: it holds a user, and so does Config")
	}
	if u.User != nil {
		s.cfg.Username = u.User.Username()
		s.cfg.Password, _ = u.User.Password()
	}
	escaped := strings.TrimSuffix(u.EscapedPath(), "/") + "/"
	decoded := strings.TrimSuffix(u.Path, "/") + "/"
	if decoded != "/" && path.Clean(decoded) != strings.TrimSuffix(decoded, "/") {
		return fmt.Errorf(`%w, without empty, "." or ".." elements`, errURL)
	}
	s.root = url.URL{Scheme: u.Scheme, Host: u.Host, Path: decoded, RawPath: escaped}
	return nil
}

// URL returns the URL of the directory, without user info.
func (s *Source) URL() string { return s.root.String() }

// Close closes idle connections. It must not be called before every listing and
// every call of ReadObject and Open has returned; readers stay usable. A
// [Config.Transport] is left alone: who made it closes it.
func (s *Source) Close() error {
	if !s.closed.Swap(true) {
		s.closeIdle(s.reads)
	}
	return nil
}

// closeIdle closes the idle connections of a transport of the source's own.
func (s *Source) closeIdle(t http.RoundTripper) {
	if own, ok := t.(*transport); ok {
		own.CloseIdleConnections()
	}
}

// ready checks what all reads of objects need.
func (s *Source) ready(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return fs.ErrClosed
	}
	return checkKey(key)
}

// ignored reports whether a file or folder of that name is passed over. The
// rules are those of source/dir.
func (s *Source) ignored(name []byte) bool {
	if !s.cfg.IncludeHidden && (name[0] == '.' || len(name) > 4 && string(name[len(name)-4:]) == ".tmp") {
		return true
	}
	return slices.ContainsFunc(s.cfg.Ignore, func(pattern string) bool {
		ok, _ := path.Match(pattern, string(name)) // New has checked the pattern
		return ok
	})
}
