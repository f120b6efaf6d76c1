package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"time"
)

// Format is how a server writes its listings.
type Format string

const (
	// FormatAuto asks for JSON, as Caddy gives it to those who do, and takes
	// what comes.
	FormatAuto Format = "auto"
	// FormatHTML takes the html pages of nginx, Apache, Caddy and Python's
	// http.server, each known by what is peculiar to it.
	FormatHTML Format = "html"
	// FormatJSON takes the JSON of nginx and Caddy.
	FormatJSON Format = "json"
	// FormatXML takes the XML of nginx.
	FormatXML Format = "xml"
	// FormatLinks takes any html page for a listing: each link that leads one
	// level down is a file, or a folder if it ends with a slash. The page must
	// close its body or its list (</body>, </html>, </pre>, </ul> or </table>).
	FormatLinks Format = "links"
)

var formats = []Format{FormatAuto, FormatHTML, FormatJSON, FormatXML, FormatLinks}

// Config says what is listed and how the server is spoken to. The zero value
// lists all but hidden and temporary files, without credentials. Fields that
// source/dir has, too, mean the same there.
type Config struct {
	// Format defaults to [FormatAuto].
	Format Format
	// Ignore are patterns as in [path.Match]. A file or folder whose name (not
	// its path) matches one is passed over.
	Ignore []string
	// IncludeHidden lists names that start with "." or end with ".tmp", too, if
	// the server shows them. Otherwise they are taken for files, and folders,
	// that are not ready.
	IncludeHidden bool
	// MinAge keeps files back whose last modification is younger, by the clock
	// of the server, so that files that are still being written are not seen.
	// Where a listing does not tell the time each file is asked for it, which
	// costs a request a file. Defaults to 0: no limit.
	MinAge time.Duration
	// Flat passes over nested folders.
	Flat bool
	// SkipFolder, if not nil, reports whether a nested folder is passed over, with
	// all that is in it. It is asked by each listing, with the key of the folder,
	// once the folders above were not passed over. See bytime.Folders.
	SkipFolder func(folder string) bool
	// PastFolder, if not nil, reports that nothing more is expected in a nested
	// folder: a Watch that found it empty does not list it again until it lists
	// everything. It is asked with the key of the folder.
	PastFolder func(folder string) bool
	// MaxDepth is how many levels of nested folders are listed. A deeper one is
	// passed over and reported at the end of the listing. Defaults to 64.
	MaxDepth int
	// MaxPages is how many folders one listing reads. With more it ends with an
	// error. Defaults to 1,000,000.
	MaxPages int
	// MaxEntries is how many names one listing reads, those that are passed over
	// among them. With more it ends with an error: a server may be made to list
	// for ever. Defaults to 100,000,000.
	MaxEntries int64

	// Username and Password are sent by basic authentication, Token as a bearer
	// token. They are sent to the host of the URL only, in clear over http.
	Username, Password string
	Token              string
	// Header is added to each request. Those of conditions, ranges, codings and
	// authentication are not allowed in it.
	Header http.Header

	// Timeout is how long the server may take to answer, and how long it may
	// keep silent while it sends. Time in which nobody reads does not count.
	// Servers look at every file of a folder before they begin to list it: a
	// million on a slow disk take longer than the default, 30 seconds.
	Timeout time.Duration
	// Retries is how often a page of a listing, or the rest of an object that
	// was cut, is asked for again after an error that may pass, first after a
	// quarter of a second, then after twice as long each time. 64 KiB more of an
	// object begin the count anew. Opening an object is not tried again: its
	// caller does.
	// Defaults to 4; negative means never.
	Retries int
	// MaxConns is how many connections read objects at once. A listing takes one
	// more. Defaults to 32.
	MaxConns int
	// Transport sends the requests. It must not follow redirects, decompress or
	// retry other than [http.Transport] does. Defaults to one that speaks
	// HTTP/1.1 and uses no proxy, whatever the environment says.
	Transport http.RoundTripper
}

const (
	defaultMaxDepth   = 64
	defaultMaxPages   = 1_000_000
	defaultMaxEntries = 100_000_000
	defaultTimeout    = 30 * time.Second
	defaultRetries    = 4
	defaultMaxConns   = 32
)

func (c Config) withDefaults() Config {
	c.Ignore = slices.Clone(c.Ignore)
	c.Header = c.Header.Clone()
	if c.Format == "" {
		c.Format = FormatAuto
	}
	def(&c.MaxDepth, defaultMaxDepth)
	def(&c.MaxPages, defaultMaxPages)
	def(&c.MaxEntries, defaultMaxEntries)
	def(&c.Timeout, defaultTimeout)
	def(&c.Retries, defaultRetries)
	def(&c.MaxConns, defaultMaxConns)
	c.Retries = max(c.Retries, 0)
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// reserved are headers that the source sets itself, or that would change what a
// body means.
var reserved = []string{
	"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Host", "If-Match", "If-Modified-Since",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Range", "Te", "Transfer-Encoding",
}

// check reports every mistake. It never quotes values of headers.
func (c Config) check() error {
	var errs []error
	mistake := func(format string, args ...any) { errs = append(errs, fmt.Errorf("web: Config."+format, args...)) }
	if !slices.Contains(formats, c.Format) {
		mistake("Format: %q is none of %q", c.Format, formats)
	}
	for i, pattern := range c.Ignore {
		if _, err := path.Match(pattern, ""); err != nil {
			mistake("Ignore[%d]: %q: %w", i, pattern, err)
		}
	}
	for name, value := range map[string]int64{
		"MinAge": int64(c.MinAge), "MaxDepth": int64(c.MaxDepth), "MaxPages": int64(c.MaxPages), "MaxEntries": c.MaxEntries,
		"Timeout": int64(c.Timeout), "MaxConns": int64(c.MaxConns),
	} {
		if value < 0 {
			mistake("%s: it is negative", name)
		}
	}
	if c.Token != "" && (c.Username != "" || c.Password != "") {
		mistake("Token: there is a Username or Password, too")
	}
	if strings.Contains(c.Username, ":") {
		mistake("Username: it holds a colon")
	}
	if !sendable(c.Token) {
		mistake("Token: it holds a control character")
	}
	for name, values := range c.Header {
		switch {
		case slices.Contains(reserved, textproto.CanonicalMIMEHeaderKey(name)):
			mistake("Header: %s is set by the source itself", name)
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }):
			mistake("Header: %q is no name", name)
		case !sendable(values...):
			mistake("Header: the value of %s holds a control character", name)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// sendable reports whether values can stand in a header.
func sendable(values ...string) bool {
	return !slices.ContainsFunc(values, func(v string) bool {
		return strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
	})
}

// headers are those of every request.
func (c Config) headers() http.Header {
	h := http.Header{"User-Agent": {"unspool"}}
	for name, values := range c.Header {
		h[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	h["Accept-Encoding"] = []string{"identity"} // the stored bytes
	switch {
	case c.Token != "":
		h["Authorization"] = []string{"Bearer " + c.Token}
	case c.Username != "" || c.Password != "":
		h["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))}
	}
	return h
}
