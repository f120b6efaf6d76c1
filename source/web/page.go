package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// kind is what a name of a listing stands for.
type kind uint8

const (
	kindFile   kind = iota
	kindFolder      // its name has no slash at the end
	kindOther       // no object: a device, or a link to a folder
	kindBad         // something whose name cannot be one
)

// entry is a name of a listing. The name is valid until the next entry is asked
// for.
type entry struct {
	name    []byte
	kind    kind
	size    int64     // -1 for unknown
	modTime time.Time // of whole seconds, as in an answer; zero for unknown
}

// parser reads the entries of a page one after the other, and returns io.EOF
// once the page has come to its proper end and all of it was read. It holds no
// more of it than one entry.
type parser interface {
	next() (entry, error)
}

var (
	errUnknown = errors.New("not a listing of a server that is known: set the format, or have the folder listed")
	errEndless = errors.New("the page goes on and on without an entry")
	errBroken  = errors.New("the listing is malformed")
)

// errCut is the error of a page that ends before its time.
func errCut() error {
	return fault.Interrupted(fmt.Errorf("the listing was cut: %w", io.ErrUnexpectedEOF))
}

const (
	// maxGap is how many bytes of a page may hold no entry. Caddy's html begins
	// with 50 KB of style sheets and drawings.
	maxGap = 1 << 20
	// pageBuffer is the buffer of a page that is read, in bytes.
	pageBuffer = 64 << 10
)

// document is a page that is being read.
type document struct {
	body io.ReadCloser
	gap  *gapReader
	date time.Time // the server's clock
	cut  bool      // a cut may look like the end
	parser
}

// openPage asks for the page of a folder. An answer of the root that is no
// listing is fatal.
func (s *Source) openPage(ctx context.Context, folder string) (*document, error) {
	d, err := s.fetchPage(ctx, folder)
	if err != nil && folder == "" && !fault.Is(err, fault.ClassInterrupted) && ctx.Err() == nil {
		return nil, fault.Fatal(err)
	}
	return d, err
}

func (s *Source) fetchPage(ctx context.Context, folder string) (*document, error) {
	h := s.header.Clone()
	h["Accept"] = []string{s.cfg.Format.accept()}
	resp, err := s.send(ctx, s.lists, http.MethodGet, folder, h)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		discard(resp)
		return nil, statusError(resp)
	}
	gap := &gapReader{in: resp.Body, left: maxGap}
	d := &document{body: resp.Body, gap: gap, date: parseTime(first(resp.Header, "Date")), cut: !endIsMarked(resp)}
	if d.date.IsZero() {
		d.date = time.Now()
	}
	in := bufio.NewReaderSize(gap, pageBuffer)
	format, err := s.detect(in, resp.Header)
	switch {
	case err != nil:
		d.close()
		return nil, err
	case format == FormatJSON:
		d.parser = newJSONPage(in, s.root.Path+folder)
	case format == FormatXML:
		d.parser = newXMLPage(in)
	default:
		d.parser = newHTMLPage(in, s.root.Path+folder, format == FormatLinks)
	}
	return d, nil
}

func (f Format) accept() string {
	switch f {
	case FormatJSON:
		return "application/json"
	case FormatXML:
		return "text/xml, application/xml;q=0.9"
	case FormatHTML, FormatLinks:
		return "text/html"
	default:
		return "application/json, text/xml;q=0.9, text/html;q=0.8, */*;q=0.1"
	}
}

// detect says which format a page is in, by its first bytes, and by its type
// where html and XML begin alike.
func (s *Source) detect(in *bufio.Reader, h http.Header) (Format, error) {
	format := FormatAuto
	head, err := in.Peek(64)
	if err != nil && err != io.EOF {
		return "", err
	}
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))
	contentType := strings.ToLower(first(h, "Content-Type"))
	switch {
	case len(head) == 0 && err == io.EOF:
		return "", errCut() // no server lists nothing by nothing
	case bytes.HasPrefix(head, []byte("[")):
		format = FormatJSON
	case !bytes.HasPrefix(head, []byte("<")):
	case bytes.HasPrefix(head, []byte("<list")), bytes.HasPrefix(head, []byte("<?xml")) && !strings.Contains(contentType, "html"):
		format = FormatXML
	default:
		format = FormatHTML
	}
	switch want := s.cfg.Format; {
	case want == FormatLinks && format == FormatHTML:
		return FormatLinks, nil
	case format == FormatAuto:
		return "", errUnknown
	case want != FormatAuto && want != format:
		return "", fmt.Errorf("it comes as %s, and the format is set to %s", format, want)
	}
	return format, nil
}

// next returns the next entry, or io.EOF. Once it has failed it is not called
// again.
func (d *document) next() (entry, error) {
	e, err := d.parser.next()
	d.gap.left = maxGap
	if err == errUnknown && d.cut {
		err = errCut()
	}
	return e, err
}

func (d *document) close() { _ = d.body.Close() } // only read

// gapReader bounds how much is read for one entry.
type gapReader struct {
	in   io.Reader
	left int
}

// Read implements [io.Reader].
func (g *gapReader) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errEndless
	}
	n, err := g.in.Read(p)
	g.left -= n
	return n, err
}
