package web

import (
	"bytes"
	"io"

	tokens "golang.org/x/net/html"
)

// layout is whose html a page is.
type layout uint8

const (
	layoutUnknown layout = iota
	layoutIndex          // "Index of": nginx, Apache, and others that write so
	layoutPython
	layoutCaddy
	layoutLinks // anybody's, because the format is set to it
)

// htmlPage reads the links of a page.
type htmlPage struct {
	in      *tokens.Tokenizer
	folder  string // its unescaped path on the server
	layout  layout
	doctype bool // which nginx writes none of
	title   bool // the text that follows is the title
	ended   bool

	state state
	entry entry  // that is read
	name  []byte // of it
	href  []byte // that the entry came from
	spare []byte // what name is swapped with
	tag   tag
}

// state is where in an entry the page is.
type state uint8

const (
	stateOut   state = iota
	stateIn          // between <a> and </a>
	stateAfter       // right behind </a>
)

func newHTMLPage(in io.Reader, folder string, links bool) *htmlPage {
	p := &htmlPage{in: newTokenizer(in), folder: folder}
	if links {
		p.layout = layoutLinks
	}
	return p
}

func (p *htmlPage) next() (entry, error) {
	for {
		token := p.in.Next()
		if p.ended && token != tokens.ErrorToken {
			continue
		}
		switch token {
		case tokens.ErrorToken:
			if p.state != stateOut {
				p.state = stateOut
				return p.entry, nil // the tokenizer gives the error once more
			}
			return entry{}, p.failed()
		case tokens.DoctypeToken:
			p.doctype = true
		case tokens.TextToken:
			if e, ok := p.text(); ok {
				return e, nil
			}
		case tokens.StartTagToken, tokens.SelfClosingTagToken:
			e, ok, err := p.startTag()
			if ok || err != nil {
				return e, err
			}
		case tokens.EndTagToken:
			if e, ok := p.endTag(); ok {
				return e, nil
			}
		case tokens.CommentToken:
		}
	}
}

// text reads what stands between tags: the title, what a link is called, and
// what nginx tells behind it.
func (p *htmlPage) text() (entry, bool) {
	switch {
	case p.title:
		p.title = false
		title := bytes.TrimSpace(p.in.Text())
		switch {
		case p.layout != layoutUnknown:
		case bytes.HasPrefix(title, []byte("Index of ")):
			p.layout = layoutIndex
		case bytes.HasPrefix(title, []byte("Directory listing for ")):
			p.layout = layoutPython
		}
	case p.state == stateIn && p.layout == layoutPython && p.entry.kind == kindFolder:
		if bytes.HasSuffix(p.in.Text(), []byte("@")) {
			p.entry.kind = kindOther // a link to a folder
		}
	case p.state == stateAfter:
		if p.layout == layoutIndex && !p.doctype {
			p.entry.size = nginxSize(p.in.Text())
		}
		p.state = stateOut
		return p.entry, true
	}
	return entry{}, false
}

// startTag reads a tag. A link begins an entry, and ends one before it that was
// not ended.
func (p *htmlPage) startTag() (entry, bool, error) {
	switch string(tagOf(p.in.Raw(), &p.tag)) {
	case "title":
		p.title = true
	case "a":
		return p.link()
	default:
		if p.layout == layoutUnknown {
			p.caddy()
		}
	}
	if p.state == stateAfter {
		p.state = stateOut
		return p.entry, true, nil
	}
	return entry{}, false, nil
}

// caddy looks for the field by which Caddy's pages are filtered.
func (p *htmlPage) caddy() {
	for more := true; more; {
		var key, value []byte
		key, value, more = p.in.TagAttr()
		if string(key) == "id" && string(value) == "filter" {
			p.layout = layoutCaddy
		}
	}
}

// link reads the tag of a link.
func (p *htmlPage) link() (before entry, ok bool, err error) {
	before, ok = p.entry, p.state != stateOut
	p.state = stateOut
	for more := true; more; {
		var key, href []byte
		key, href, more = p.in.TagAttr()
		if string(key) != "href" {
			continue
		}
		to, bad := follow(href, p.folder, p.spare)
		switch {
		case bad == nil && to.name == nil: // elsewhere
			return before, ok, nil
		case bytes.Equal(href, p.href): // the same once more, as behind Apache's icons
			return before, ok, nil
		case p.layout == layoutUnknown:
			return entry{}, false, errUnknown
		}
		p.href = append(p.href[:0], href...)
		e := entry{name: to.name, size: -1}
		switch {
		case bad != nil:
			e = entry{name: p.href, kind: kindBad}
		case to.folder:
			e.kind = kindFolder
		}
		if to.name != nil {
			p.name, p.spare = to.name, p.name // before.name stays as it is
		}
		p.entry, p.state = e, stateIn
		return before, ok, nil
	}
	return before, ok, nil
}

// endTag reads the end of an element. That of a link ends the entry, unless
// something is told behind it.
func (p *htmlPage) endTag() (entry, bool) {
	switch string(tagOf(p.in.Raw(), &p.tag)) {
	case "a":
		if p.state == stateIn {
			p.state = stateAfter
			return entry{}, false
		}
	case "title":
		p.title = false // it was empty
	case "body", "html":
		p.ended = true
	case "pre", "ul", "table":
		p.ended = p.ended || p.layout == layoutLinks
	}
	if p.state == stateAfter || p.ended && p.state != stateOut {
		p.state = stateOut
		return p.entry, true
	}
	return entry{}, false
}

// failed says what the end of the page means.
func (p *htmlPage) failed() error {
	err := tokenizerError(p.in)
	switch {
	case err == io.EOF && p.layout == layoutUnknown:
		return errUnknown
	case err == io.EOF && !p.ended:
		return errCut()
	}
	return err
}

// nginxSize reads the size in what nginx writes behind a link, which is exact if
// it has no unit:
//
//	21-Nov-2026 23:48                5000
//
// It returns -1 for anything else.
func nginxSize(text []byte) int64 {
	const date, clock = len("21-Nov-2026"), len("21-Nov-2026 23:48")
	text = bytes.TrimSpace(text)
	if len(text) <= clock || text[date] != ' ' || text[clock] != ' ' || bytes.IndexByte(text, ' ') != date {
		return -1
	}
	return parseSize(bytes.TrimLeft(text[clock:], " "))
}
