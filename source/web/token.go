package web

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"

	tokens "golang.org/x/net/html"
)

// maxToken bounds a tag, a text or a style sheet of a page, in bytes.
const maxToken = 256 << 10

func newTokenizer(in io.Reader) *tokens.Tokenizer {
	t := tokens.NewTokenizer(in)
	t.SetMaxBuf(maxToken)
	return t
}

// tokenizerError returns why a tokenizer gives no more tokens.
func tokenizerError(t *tokens.Tokenizer) error {
	if err := t.Err(); !errors.Is(err, tokens.ErrBufferExceeded) {
		return err
	}
	return fmt.Errorf("%w: an element of more than %d bytes", errBroken, maxToken)
}

// tag has room for the names of the tags that matter.
type tag [16]byte

// tagOf returns the name of a tag from its source, in lower case, or nothing for
// one that does not matter. Tokenizer.TagName does the same and allocates, which
// is most of what a page would cost.
func tagOf(raw []byte, buf *tag) []byte {
	raw = bytes.TrimPrefix(bytes.TrimPrefix(raw, []byte("<")), []byte("/"))
	for i, c := range raw {
		switch {
		case i == len(buf):
			return nil
		case c == '>' || c == '/' || c == '\f' || isSpace(c):
			return buf[:i]
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return nil
}

// unescapeText resolves the entities of a text.
func unescapeText(text []byte) []byte {
	if bytes.IndexByte(text, '&') < 0 {
		return text
	}
	return []byte(html.UnescapeString(string(text)))
}
