package clean

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// Verdict is what a [Rule] finds.
type Verdict uint8

const (
	// IsText says that what is returned is the text as it ought to be.
	IsText Verdict = iota
	// IsNull makes the field null.
	IsNull
	// IsBad says that the text cannot be mended.
	IsBad
)

// goodIf is the verdict on what may be bad.
func goodIf(good bool) Verdict {
	if good {
		return IsText
	}
	return IsBad
}

// Rule says what a text ought to be. The functions of this package make the
// common ones; a rule of one's own is a literal, or one of those with another
// Name, but not with another Fix. [Rule.Apply] tries one.
type Rule struct {
	// Name names the rule in counts and reasons.
	Name string
	// Fix returns what text ought to be: text itself, or another one, for which
	// dst, which is empty, may be appended to. What is returned is copied. Fix is
	// called by many goroutines at once, must not change text, nor keep it or dst,
	// and must always give the same for the same text. What is not valid UTF-8 is
	// bad.
	Fix func(dst, text []byte) (fixed []byte, v Verdict)

	// minds are the features of texts that Fix may change: others need not be
	// given to it. Those of a rule with none all have to.
	minds features
	err   error // mistake in making it
}

// spares reports whether the rule leaves all texts with such features alone.
func (r *Rule) spares(has features) bool { return r.minds != 0 && has&r.minds == 0 }

// Apply returns what the rule makes of one text.
func (r Rule) Apply(text string) (fixed string, v Verdict) {
	if r.err != nil || r.Fix == nil {
		return "", IsBad
	}
	b, v := r.Fix(nil, []byte(text))
	if v != IsText {
		return "", v
	}
	return string(b), IsText
}

// Trim takes white space off both ends, that of Unicode and the invisible
// characters of [Characters] among it.
func Trim() Rule {
	return Rule{Name: "trim", minds: exotic | loose, Fix: func(_, text []byte) ([]byte, Verdict) {
		return bytes.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) }), IsText
	}}
}

// Spaces does as Trim does, and makes one space of each run of white space
// between.
func Spaces() Rule {
	trim := Trim().Fix
	return Rule{Name: "spaces", minds: exotic | loose, Fix: func(dst, text []byte) ([]byte, Verdict) {
		text, _ = trim(nil, text)
		if !looseSpace(text) {
			return text, IsText
		}
		space := false
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			switch {
			case !unicode.IsSpace(r):
				dst, space = append(dst, text[:n]...), false
			case !space:
				dst, space = append(dst, ' '), true
			}
			text = text[n:]
		}
		return dst, IsText
	}}
}

// looseSpace reports whether there is white space other than single spaces in
// text.
func looseSpace(text []byte) bool {
	for i, c := range text {
		switch {
		case c == ' ' && i > 0 && text[i-1] == ' ', c >= '\t' && c <= '\r':
			return true
		case c >= utf8.RuneSelf:
			return bytes.ContainsFunc(text[i:], func(r rune) bool { return r != ' ' && unicode.IsSpace(r) }) ||
				bytes.Contains(text[i:], []byte("  "))
		}
	}
	return false
}

// Characters takes out control characters but tabs and newlines, and what is
// invisible (byte order marks, zero-width spaces, soft hyphens, marks of
// direction), writes typographic quotation marks, dashes, ellipses and no-break
// spaces as ASCII does, and composes letters and their accents (Unicode NFC).
func Characters() Rule {
	return Rule{Name: "characters", minds: exotic, Fix: func(dst, text []byte) ([]byte, Verdict) {
		i := plain(text)
		if i == len(text) {
			return text, IsText
		}
		dst = append(dst, text[:i]...)
		for text = text[i:]; len(text) > 0; {
			r, n := utf8.DecodeRune(text)
			text = text[n:]
			switch {
			case invisible(r), unicode.IsControl(r) && !unicode.IsSpace(r):
			case r == '\u00a0' || r == '\u202f' || r == '\u2007':
				dst = append(dst, ' ')
			case r >= '\u2018' && r <= '\u201b' || r == '\u2032':
				dst = append(dst, '\'')
			case r >= '\u201c' && r <= '\u201f' || r == '\u2033':
				dst = append(dst, '"')
			case r >= '\u2010' && r <= '\u2015' || r == '\u2212':
				dst = append(dst, '-')
			case r == '\u2026':
				dst = append(dst, "..."...)
			default:
				dst = utf8.AppendRune(dst, r)
			}
		}
		if norm.NFC.IsNormal(dst) {
			return dst, IsText
		}
		return norm.NFC.Bytes(dst), IsText
	}}
}

// plain returns the number of bytes at the start of text that are ASCII and not
// control characters.
func plain(text []byte) int {
	for i, c := range text {
		if c < ' ' || c > '~' {
			return i
		}
	}
	return len(text)
}

// invisible reports whether r is seen nowhere, and is no space.
func invisible(r rune) bool {
	switch r {
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2060', '\ufeff':
		return true
	}
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// Mojibake mends text in UTF-8 that was once taken for Windows-1252: "MÃ¼ller"
// becomes "Müller". Text that only looks so is changed, too; there is hardly any.
func Mojibake() Rule {
	return Rule{Name: "mojibake", minds: beyondASCII, Fix: func(dst, text []byte) ([]byte, Verdict) {
		if !likeMojibake(text) {
			return text, IsText
		}
		return unmangled(dst, text), IsText
	}}
}

// unmangled returns what text was before it was taken for Windows-1252, or text
// if it was not.
func unmangled(dst, text []byte) []byte {
	for _, r := range string(text) {
		if r == utf8.RuneError {
			return text
		}
		b, ok := charmap.Windows1252.EncodeRune(r)
		if !ok && r >= 0x80 && r <= 0x9f {
			b, ok = byte(r), true // the five that it leaves undefined
		}
		if !ok {
			return text
		}
		dst = append(dst, b)
	}
	if !utf8.Valid(dst) {
		return text
	}
	return dst
}

// likeMojibake reports whether the first character beyond ASCII in text is one
// that Windows-1252 makes of the first byte of a character in UTF-8 (U+00C2 to
// U+00F4), and another one beyond ASCII follows it. In other texts there is
// nothing to mend.
func likeMojibake(text []byte) bool {
	i := 0
	for i < len(text) && text[i] < utf8.RuneSelf {
		i++
	}
	return len(text) > i+2 && text[i] == 0xc3 && text[i+1] >= 0x82 && text[i+1] <= 0xb4 && text[i+2] >= utf8.RuneSelf
}

// Null makes empty texts null, and those that are one of words, in any case of
// letters.
func Null(words ...string) Rule {
	null := newWords(words)
	return Rule{Name: "null", Fix: func(_, text []byte) ([]byte, Verdict) {
		if len(text) == 0 || null.index(text) >= 0 {
			return nil, IsNull
		}
		return text, IsText
	}}
}

// Upper writes all letters in upper case.
func Upper() Rule {
	return cased("upper", bytes.ToUpper, lowers)
}

// Lower writes all letters in lower case.
func Lower() Rule {
	return cased("lower", bytes.ToLower, uppers)
}

func cased(name string, to func([]byte) []byte, wrong features) Rule {
	minds := wrong | beyondASCII
	return Rule{Name: name, minds: minds, Fix: func(dst, text []byte) ([]byte, Verdict) {
		switch has := look(text); {
		case has&minds == 0:
			return text, IsText
		case has&beyondASCII != 0:
			return to(text), IsText
		}
		const other = 'a' - 'A'
		for _, c := range text {
			if kinds[c]&wrong != 0 {
				c ^= other
			}
			dst = append(dst, c)
		}
		return dst, IsText
	}}
}

// Replace writes texts that are a key of words as its value, and leaves others.
func Replace(words map[string]string) Rule {
	own := make(map[string][]byte, len(words))
	for from, to := range words {
		own[from] = []byte(to)
	}
	return Rule{Name: "replace", Fix: func(dst, text []byte) ([]byte, Verdict) {
		if to, ok := own[string(text)]; ok {
			return append(dst, to...), IsText
		}
		return text, IsText
	}}
}

// OneOf takes the words for good, and writes them as they are here where they
// come in another case of letters.
func OneOf(words ...string) Rule {
	good := newWords(words)
	return Rule{Name: "one of", Fix: func(dst, text []byte) ([]byte, Verdict) {
		for _, word := range good.texts {
			if bytes.Equal(word, text) {
				return text, IsText
			}
		}
		if i := good.index(text); i >= 0 {
			return append(dst, good.texts[i]...), IsText
		}
		return nil, IsBad
	}}
}

// Match takes texts for good that are, from end to end, what pattern says (see
// [regexp/syntax]).
func Match(pattern string) Rule {
	expr := `^(?:` + pattern + `)$`
	_, err := syntax.Parse(pattern, syntax.Perl) // alone: it might close the group
	if err != nil {
		return Rule{Name: "match", err: fmt.Errorf("match: %w", err)}
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return Rule{Name: "match", err: fmt.Errorf("match: %w", err)}
	}
	ascii := newAutomaton(expr)
	return Rule{Name: "match", Fix: func(_, text []byte) ([]byte, Verdict) {
		if ascii != nil {
			if good, ok := ascii.match(text); ok {
				return text, goodIf(good)
			}
		}
		return text, goodIf(re.Match(text))
	}}
}

// MaxLength takes texts of at most so many characters for good.
func MaxLength(characters int) Rule {
	if characters < 0 {
		return Rule{Name: "length", err: fmt.Errorf("length: %d characters", characters)}
	}
	return Rule{Name: "length", Fix: func(_, text []byte) ([]byte, Verdict) {
		return text, goodIf(len(text) <= characters || utf8.RuneCount(text) <= characters)
	}}
}

// Cut cuts texts after so many characters.
func Cut(characters int) Rule {
	if characters < 0 {
		return Rule{Name: "cut", err: fmt.Errorf("cut: after %d characters", characters)}
	}
	return Rule{Name: "cut", Fix: func(_, text []byte) ([]byte, Verdict) {
		if len(text) <= characters {
			return text, IsText
		}
		end := 0
		for range characters {
			_, n := utf8.DecodeRune(text[end:])
			end += n
		}
		return text[:end], IsText
	}}
}
