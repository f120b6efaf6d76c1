package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonPage reads the listings of nginx and Caddy: an array of flat objects.
//
// It is not encoding/json because that puts U+FFFD in place of bytes that are not
// UTF-8. nginx writes names as they are, and the file with the other name does
// not exist.
type jsonPage struct {
	in     *bufio.Reader
	folder string // its unescaped path on the server
	begun  bool
	known  bool // an entry came
	ended  bool

	key   []byte // of the member that is read
	text  []byte // its value, if that is text
	name  []byte
	link  []byte
	other []byte // scratch
	times timeCache
}

func newJSONPage(in *bufio.Reader, folder string) *jsonPage {
	return &jsonPage{in: in, folder: folder}
}

// members are what is known of one entry.
type members struct {
	name, link, typed     bool // whether there is such a member
	folder, other, linked bool
	size                  int64
	modTime               time.Time
}

func (p *jsonPage) next() (entry, error) {
	if p.ended {
		return entry{}, io.EOF
	}
	c, err := p.token()
	switch {
	case err != nil:
		return entry{}, err
	case !p.begun && c == '[':
		p.begun = true
		if c, err = p.token(); err == nil && c == ']' {
			return entry{}, p.end()
		}
	case c == ',':
		c, err = p.token()
	case c == ']':
		return entry{}, p.end()
	default:
		return entry{}, p.unexpected(c)
	}
	if err != nil {
		return entry{}, err
	}
	if c != '{' {
		return entry{}, p.unexpected(c)
	}
	m := members{size: -1}
	if err := p.members(&m); err != nil {
		return entry{}, err
	}
	return p.entry(&m)
}

// end reads on to the end of the page, which holds nothing more.
func (p *jsonPage) end() error {
	p.ended = true
	for {
		c, err := p.in.ReadByte()
		switch {
		case err != nil:
			return err // io.EOF
		case !isSpace(c):
			return p.unexpected(c)
		}
	}
}

// entry says what the members stand for.
func (p *jsonPage) entry(m *members) (entry, error) {
	switch {
	case m.name && m.typed:
		p.known = true
	case p.known:
		return entry{}, fmt.Errorf("%w: an entry without a name or type", errBroken)
	default:
		return entry{}, errUnknown
	}
	e := entry{name: p.name, size: m.size, modTime: m.modTime}
	if m.link { // Caddy, whose names are made valid UTF-8
		to, bad := follow(p.link, p.folder, p.other)
		if bad != nil || to.name == nil {
			return entry{name: p.link, kind: kindBad}, nil //nolint:nilerr // the listing goes on, and tells it at its end
		}
		e.name, p.other = to.name, to.name
	}
	switch {
	case m.other, m.folder && m.linked:
		e.kind = kindOther
	case m.folder:
		e.kind, e.name = kindFolder, bytes.TrimSuffix(e.name, []byte("/"))
	case m.linked: // Caddy tells the time of the link, and sends that of the file
		e.size, e.modTime = -1, time.Time{}
	}
	return e, nil
}

// members reads an object behind its brace.
func (p *jsonPage) members(m *members) error {
	c, err := p.token()
	for first := true; ; first = false {
		switch {
		case err != nil:
			return err
		case c == '}':
			return nil
		case c == ',' && !first:
			if c, err = p.token(); err != nil {
				return err
			}
		case !first:
			return p.unexpected(c)
		}
		if c != '"' {
			return p.unexpected(c)
		}
		if p.key, err = p.string(p.key[:0]); err == nil {
			c, err = p.token()
		}
		if err != nil {
			return err
		}
		if c != ':' {
			return p.unexpected(c)
		}
		if c, err = p.value(m); err != nil {
			return err
		}
	}
}

// value reads the value of the member p.key, and returns what follows it.
func (p *jsonPage) value(m *members) (byte, error) {
	c, err := p.token()
	switch {
	case err != nil:
		return 0, err
	case c == '"':
		if p.text, err = p.string(p.text[:0]); err != nil {
			return 0, err
		}
		p.textMember(m)
		return p.token()
	case c == '{' || c == '[':
		if err := p.skip(); err != nil {
			return 0, err
		}
		return p.token()
	}
	p.text = append(p.text[:0], c)
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return 0, p.failed(err)
		}
		switch c {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			p.bareMember(m)
			if err := p.in.UnreadByte(); err != nil {
				return 0, err
			}
			return p.token()
		}
		if p.text = append(p.text, c); len(p.text) > maxName {
			return 0, p.unexpected(c)
		}
	}
}

// textMember takes a member whose value is a string.
func (p *jsonPage) textMember(m *members) {
	switch string(p.key) {
	case "name":
		m.name = true
		p.name = append(p.name[:0], p.text...)
	case "url":
		m.link = true
		p.link = append(p.link[:0], p.text...)
	case "type": // nginx
		m.typed = true
		m.folder = string(p.text) == "directory"
		m.other = !m.folder && string(p.text) != "file"
	case "mtime": // nginx
		m.modTime = p.times.parse(p.text, parseTime)
	case "mod_time": // Caddy
		m.modTime = p.times.parse(p.text, parseRFC3339)
	}
}

// bareMember takes a member whose value is a number or a word.
func (p *jsonPage) bareMember(m *members) {
	switch string(p.key) {
	case "size":
		m.size = parseSize(p.text)
	case "is_dir": // Caddy
		m.typed = true
		m.folder = string(p.text) == "true"
	case "is_symlink": // Caddy
		m.linked = string(p.text) == "true"
	}
}

// skip reads a nested value behind its first bracket.
func (p *jsonPage) skip() error {
	for depth := 1; depth > 0; {
		c, err := p.in.ReadByte()
		if err != nil {
			return p.failed(err)
		}
		switch c {
		case '"':
			if p.other, err = p.string(p.other[:0]); err != nil {
				return err
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	return nil
}

// token returns the next byte that is no white space.
func (p *jsonPage) token() (byte, error) {
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return 0, p.failed(err)
		}
		if !isSpace(c) {
			return c, nil
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\r' || c == '\n' || c == '\t' }

// string appends a string behind its quote to dst, its bytes as they are but for
// escapes.
func (p *jsonPage) string(dst []byte) ([]byte, error) {
	for {
		// What is held up to the next quote or escape, at once; not much of it, so
		// that many escapes do not go over it many times.
		const most = 256
		plain, _ := p.in.Peek(min(p.in.Buffered(), most)) // there is as much
		if i := bytes.IndexByte(plain, '"'); i >= 0 {
			plain = plain[:i]
		}
		if i := bytes.IndexByte(plain, '\\'); i >= 0 {
			plain = plain[:i]
		}
		dst = append(dst, plain...)
		if _, err := p.in.Discard(len(plain)); err != nil {
			return dst, err
		}
		c, err := p.in.ReadByte()
		switch {
		case err != nil:
			return dst, p.failed(err)
		case c == '"':
			return dst, nil
		case c == '\\':
			if dst, err = p.escape(dst); err != nil {
				return dst, err
			}
		default: // the first of what was not held
			dst = append(dst, c)
		}
	}
}

// escape appends what stands for an escape behind its backslash.
func (p *jsonPage) escape(dst []byte) ([]byte, error) {
	c, err := p.in.ReadByte()
	if err != nil {
		return dst, p.failed(err)
	}
	switch c {
	case '"', '\\', '/':
		return append(dst, c), nil
	case 'b':
		return append(dst, '\b'), nil
	case 'f':
		return append(dst, '\f'), nil
	case 'n':
		return append(dst, '\n'), nil
	case 'r':
		return append(dst, '\r'), nil
	case 't':
		return append(dst, '\t'), nil
	case 'u':
	default:
		return dst, p.unexpected(c)
	}
	r, err := p.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), err
	}
	if next, _ := p.in.Peek(2); string(next) != `\u` { // an error comes with the next byte
		return utf8.AppendRune(dst, utf8.RuneError), nil
	}
	if _, err := p.in.Discard(2); err != nil {
		return dst, err
	}
	low, err := p.unit()
	return utf8.AppendRune(dst, utf16.DecodeRune(r, low)), err
}

// unit reads the four digits of an escape.
func (p *jsonPage) unit() (rune, error) {
	r := rune(0)
	for range 4 {
		c, err := p.in.ReadByte()
		if err != nil {
			return 0, p.failed(err)
		}
		digit := unhex(c)
		if digit > 15 {
			return 0, p.unexpected(c)
		}
		r = r<<4 | rune(digit)
	}
	return r, nil
}

// failed says what an error of reading means inside the listing.
func (p *jsonPage) failed(err error) error {
	if err == io.EOF {
		return errCut()
	}
	return err
}

func (p *jsonPage) unexpected(c byte) error {
	return fmt.Errorf("%w: unexpected %q", errBroken, c)
}

// parseRFC3339 parses a time as JSON has it, or returns the zero time. HTTP
// knows whole seconds.
func parseRFC3339(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// timeCache spares parsing the same time again: files come many in a second.
type timeCache struct {
	text []byte
	time time.Time
}

func (c *timeCache) parse(text []byte, parse func(string) time.Time) time.Time {
	if !bytes.Equal(text, c.text) {
		c.text = append(c.text[:0], text...)
		c.time = parse(string(text))
	}
	return c.time
}
