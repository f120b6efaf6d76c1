package plainhttp

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// maxProvisional is how many answers may come before the one that counts.
const maxProvisional = 5

// malformed is the error of an answer that RFC 9112 does not know.
func malformed(what string) error { return fmt.Errorf("malformed HTTP answer: %s", what) }

// head is the header of an answer.
type head struct {
	code    int
	minor   int    // of the version, HTTP/1
	status  string // code and text
	header  http.Header
	length  int64 // that is announced; -1 for none
	chunked bool
	empty   bool // no body follows
	keep    bool // another request may follow
}

// readHead reads one header to its blank line. c.text grows by it.
func (c *conn) readHead(method string) (head, error) {
	from, fields := len(c.text), -2 // neither the status nor the blank line
	for {
		begins := len(c.text) == from || c.text[len(c.text)-1] == '\n'
		line, err := c.in.ReadSlice('\n')
		c.text = append(c.text, line...)
		switch {
		case len(c.text) > c.t.cfg.MaxHeaderBytes:
			return head{}, malformed("the header is too long")
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF:
			return head{}, fmt.Errorf("in the header: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return head{}, err
		}
		if fields++; begins && (string(line) == "\r\n" || string(line) == "\n") {
			break
		}
	}
	return parseHead(string(c.text[from:]), max(fields, 0), method)
}

// nextLine cuts the first line off text, without its end.
func nextLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// parseHead parses a header of so many fields, or a few more.
func parseHead(text string, fields int, method string) (h head, err error) {
	line, text := nextLine(text)
	if err := h.statusLine(line); err != nil {
		return head{}, err
	}
	h.header = make(http.Header, fields)
	values := make([]string, 0, fields) // one allocation for all
	for {
		if line, text = nextLine(text); line == "" {
			break
		}
		name, value, ok := field(line)
		if !ok {
			return head{}, malformed("a line of the header is none")
		}
		if old, ok := h.header[name]; ok {
			h.header[name] = append(old, value)
			continue
		}
		values = append(values, value)
		h.header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return h, h.frame(method)
}

// field takes a line of a header apart. One that is folded into the one before
// begins with a space, which no name does.
func field(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	value = strings.Trim(value, " \t")
	ok = ok && httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value)
	return textproto.CanonicalMIMEHeaderKey(name), value, ok
}

// statusLine takes the first line apart: HTTP/1.1 200 OK.
func (h *head) statusLine(line string) error {
	const version = "HTTP/1."
	rest, ok := strings.CutPrefix(line, version)
	if !ok || len(rest) < len("1 200") || !isDigit(rest[0]) || rest[1] != ' ' {
		return malformed("the version is not HTTP/1")
	}
	h.minor, h.status = int(rest[0]-'0'), rest[2:]
	for i := range 3 {
		if !isDigit(h.status[i]) {
			return malformed("the status is no number")
		}
		h.code = 10*h.code + int(h.status[i]-'0')
	}
	if h.code < 100 || len(h.status) > 3 && h.status[3] != ' ' || !httpguts.ValidHeaderFieldValue(h.status) {
		return malformed("the status is no number")
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// frame finds out where the body ends: RFC 9112, section 6.3, without its leniency.
func (h *head) frame(method string) error {
	var err error
	if h.length, err = contentLength(h.header["Content-Length"]); err != nil {
		return err
	}
	if codings, ok := h.header["Transfer-Encoding"]; ok {
		switch {
		case len(codings) != 1 || !strings.EqualFold(codings[0], "chunked"):
			return malformed("a transfer coding that was not asked for")
		case h.minor == 0:
			return malformed("chunks in HTTP/1.0")
		case h.length >= 0:
			return malformed("a length, and chunks")
		}
		h.chunked = true
		delete(h.header, "Transfer-Encoding")
	}
	h.keep = h.minor > 0 && !httpguts.HeaderValuesContainsToken(h.header["Connection"], "close")
	switch {
	case h.code == http.StatusSwitchingProtocols:
		return malformed("another protocol, which was not asked for")
	case h.code < 200, h.code == http.StatusNoContent:
		if h.chunked || h.length > 0 {
			return malformed("a body where there is none")
		}
		h.empty = true
	case method == http.MethodHead, h.code == http.StatusNotModified, h.length == 0:
		h.empty = true
	}
	if h.empty && method != http.MethodHead {
		h.length = 0
	}
	return nil
}

// contentLength returns what is announced, or -1.
func contentLength(values []string) (int64, error) {
	if len(values) == 0 {
		return -1, nil
	}
	text := values[0]
	const digits = 18 // that an int64 holds
	if len(values) > 1 || text == "" || len(text) > digits {
		return 0, malformed("the length is no number")
	}
	n := int64(0)
	for i := range len(text) {
		if !isDigit(text[i]) {
			return 0, malformed("the length is no number")
		}
		n = 10*n + int64(text[i]-'0')
	}
	return n, nil
}

// response is the answer to a request, without its body.
func (h *head) response(req *http.Request) *http.Response {
	resp := &http.Response{
		Status: h.status, StatusCode: h.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: h.minor,
		Header: h.header, ContentLength: h.length, Close: !h.keep, Request: req,
	}
	if h.chunked {
		resp.TransferEncoding = []string{"chunked"}
	}
	return resp
}
