package web

import (
	"fmt"
	"io"

	tokens "golang.org/x/net/html"
)

// xmlPage reads the XML of nginx:
//
//	<list><directory mtime="…">sub</directory><file mtime="…" size="5">a.csv</file></list>
//
// It is not encoding/xml because that refuses names with control characters and
// such that are not UTF-8, which nginx writes as they are.
type xmlPage struct {
	in           *tokens.Tokenizer
	begun, ended bool

	entry  entry
	inside bool   // an element that is an entry
	open   []byte // its tag
	name   []byte
	tag    tag
	times  timeCache
}

func newXMLPage(in io.Reader) *xmlPage {
	return &xmlPage{in: newTokenizer(in)}
}

func (p *xmlPage) next() (entry, error) {
	for {
		switch p.in.Next() {
		case tokens.ErrorToken:
			return entry{}, p.failed()
		case tokens.StartTagToken:
			if err := p.start(); err != nil {
				return entry{}, err
			}
		case tokens.SelfClosingTagToken:
			if p.begun && !p.ended {
				return entry{kind: kindBad}, nil // a file without a name
			}
		case tokens.TextToken:
			if p.inside {
				p.name = append(p.name, p.in.Raw()...) // Text would make a line feed of a carriage return
			}
		case tokens.EndTagToken:
			tag := tagOf(p.in.Raw(), &p.tag)
			switch {
			case string(tag) == "list" && p.begun:
				p.ended = true
			case p.inside && string(tag) == string(p.open) && !p.ended:
				return p.take(), nil
			case !p.ended:
				return entry{}, fmt.Errorf("%w: an element ends that did not begin", errBroken)
			}
		case tokens.CommentToken, tokens.DoctypeToken: // "<?xml …" counts as a comment
		}
	}
}

// start reads the tag of an element.
func (p *xmlPage) start() error {
	tag := tagOf(p.in.Raw(), &p.tag)
	switch {
	case string(tag) == "list":
		p.begun = true
		return nil
	case !p.begun:
		return errUnknown
	}
	p.open = append(p.open[:0], tag...)
	p.inside = true
	p.name = p.name[:0]
	p.entry = entry{size: -1, kind: kindOther}
	switch string(tag) {
	case "file":
		p.entry.kind = kindFile
	case "directory":
		p.entry.kind = kindFolder
	}
	for more := true; more; {
		var key, value []byte
		key, value, more = p.in.TagAttr()
		switch string(key) {
		case "size":
			p.entry.size = parseSize(value)
		case "mtime":
			p.entry.modTime = p.times.parse(value, parseRFC3339)
		}
	}
	return nil
}

// take ends an element.
func (p *xmlPage) take() entry {
	e := p.entry
	p.inside = false
	e.name = unescapeText(p.name)
	return e
}

// failed says what the end of the page means.
func (p *xmlPage) failed() error {
	err := tokenizerError(p.in)
	switch {
	case err == io.EOF && !p.begun:
		return errUnknown
	case err == io.EOF && !p.ended:
		return errCut()
	}
	return err
}
