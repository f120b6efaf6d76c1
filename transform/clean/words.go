package clean

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// words are texts that are looked for in any case of letters.
type words struct {
	texts [][]byte
	first [256]bool // the first bytes of all that is one of them in some case
}

func newWords(texts []string) *words {
	w := &words{}
	for _, text := range texts {
		w.texts = append(w.texts, []byte(text))
		if text == "" {
			continue // what is empty has no first byte
		}
		first, _ := utf8.DecodeRuneInString(text)
		if first == utf8.RuneError { // any byte that is not UTF-8 is taken for it
			for c := utf8.RuneSelf; c < len(w.first); c++ {
				w.first[c] = true
			}
		}
		for r := first; ; {
			w.first[string(r)[0]] = true
			if r = unicode.SimpleFold(r); r == first {
				break
			}
		}
	}
	return w
}

// index returns the index of the first word that text is, or -1.
func (w *words) index(text []byte) int {
	if len(text) > 0 && !w.first[text[0]] {
		return -1
	}
	for i, word := range w.texts {
		if bytes.EqualFold(word, text) {
			return i
		}
	}
	return -1
}
