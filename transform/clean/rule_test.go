package clean

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// What a rule makes of a text. null and bad stand for themselves.
const (
	null = "\x00null"
	bad  = "\x00bad"
)

func apply(r Rule, text string) string {
	switch fixed, v := r.Apply(text); v {
	case IsText:
		return fixed
	case IsNull:
		return null
	default:
		return bad
	}
}

func TestRules(t *testing.T) {
	same := func(texts ...string) map[string]string {
		all := map[string]string{}
		for _, text := range texts {
			all[text] = text
		}
		return all
	}
	for name, c := range map[string]struct {
		rule  Rule
		texts map[string]string
	}{
		"trim": {Trim(), map[string]string{
			"": "", "a b": "a b", "  a ": "a", "\t\r\na\n": "a", "\ufeff\u00a0a\u200b": "a", "   ": "",
		}},
		"spaces": {Spaces(), map[string]string{
			"": "", "a b": "a b", " a  b ": "a b", "a\tb\n\nc": "a b c", "é\u00a0 b": "é b", "a\u2003b": "a b", "ü  x": "ü x", " \u200b ": "",
		}},
		"characters": {Characters(), map[string]string{
			"": "", "plain ~": "plain ~", "a\x00b\x1fc\x7f": "abc", "a\tb\nc": "a\tb\nc", "\ufeffx": "x", "zero\u200bwidth": "zerowidth",
			"“q” ‘s’ – — …": `"q" 's' - - ...`, "no\u00a0break": "no break", "e\u0301": "é", "Müller 日本 😀": "Müller 日本 😀", "\u00ad": "", "\u202eabc": "abc",
		}},
		"mojibake": {Mojibake(), map[string]string{
			"": "", "plain": "plain", "MÃ¼ller": "Müller", "Müller": "Müller", "â‚¬": "€", "Ã©tÃ©": "été", "日本": "日本", "Ã": "Ã",
			"Ã\u0081": "Á", // with one of the five bytes that Windows-1252 leaves undefined
		}},
		"null":         {Null("N/A", "-"), map[string]string{"": null, "n/a": null, "N/A": null, "-": null, "--": "--", "x": "x", " ": " "}},
		"upper":        {Upper(), map[string]string{"": "", "aB1": "AB1", "ß": "ß", "é": "É", "X": "X"}},
		"lower":        {Lower(), map[string]string{"": "", "aB1": "ab1", "É": "é", "x": "x"}},
		"replace":      {Replace(map[string]string{"UK": "GB", "gone": ""}), map[string]string{"UK": "GB", "uk": "uk", "gone": "", "": ""}},
		"one of":       {OneOf("Open", "Closed"), map[string]string{"Open": "Open", "CLOSED": "Closed", "": bad, "open?": bad}},
		"match":        {Match(`[A-Z]{2}\d+|x`), map[string]string{"AB1": "AB1", "x": "x", "AB": bad, " AB1": bad, "AB1x": bad, "": bad}},
		"length":       {MaxLength(3), map[string]string{"": "", "abc": "abc", "üüü": "üüü", "abcd": bad}},
		"cut":          {Cut(3), map[string]string{"": "", "abc": "abc", "üüü": "üüü", "abcd": "abc", "üüüü": "üüü"}},
		"cut to no":    {Cut(0), map[string]string{"": "", "a": ""}},
		"number as is": {Decimal(".", ","), same("0", "-1", "12.50", "0.001", "-0")},
		"decimal": {Decimal(".", ","), map[string]string{
			"$ 1,234.50": "1234.50", "(1,234.50)": "-1234.50", "+7": "7", "007": "7", "5-": "-5", "-$5": "-5", "$-5": "-5", "1,234,567": "1234567",
			".5": "0.5", "5.": "5", "000": "0", "00.10": "0.10", "€1": "1", "12345678901234567890.123456789": "12345678901234567890.123456789",
			"": bad, ".": bad, "-": bad, "()": bad, "1,23": bad, "1,2345": bad, "1234,567": bad, ",123": bad, "1,,234": bad, "1.2.3": bad, "1,": bad,
			"1e5": bad, "(-5)": bad, "--5": bad, "12a": bad, "1.5,000": bad, "NaN": bad, "١": bad,
		}},
		"decimal comma": {Decimal(",", "."), map[string]string{"1.234,50 €": "1234.50", "1234,5": "1234.5", "1.234": "1.234"}},
		"decimal space": {Decimal(",", " "), map[string]string{"1 234,50-": "-1234.50", "1\u00a0234": "1234", "1\u202f234\u2009567": "1234567", "1'234": bad}},
		"decimal quote": {Decimal(".", "'"), map[string]string{"1'234.5": "1234.5", "1’234": "1234"}},
		"no groups":     {Decimal(".", ""), map[string]string{"1234.5": "1234.5", "1,234": bad, "1\ufffd234": bad}},
		"integer":       {Integer(), map[string]string{"12": "12", "12.00": "12", "-3.0": "-3", "12.5": bad, "": bad, "x": bad, "1e3": bad}},
		"date": {Date(time.DateOnly, "2.1.2006", "01/02/2006"), map[string]string{
			"2024-02-29": "2024-02-29", "1.3.2024": "2024-03-01", "12/31/2024": "2024-12-31", "2023-02-29": bad, "31/12/2024": bad, "": bad, "soon": bad,
		}},
		"boolean": {Bool([]string{"yes", "1"}, []string{"no", "0"}), map[string]string{
			"YES": "true", "1": "true", "True": "true", "no": "false", "0": "false", "false": "false", "": bad, "2": bad,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for text, want := range c.texts {
				assert.Equal(t, want, apply(c.rule, text), "%q", text)
			}
		})
	}
}

// The comma as point leaves a text alone that is a number already: 1.234 may be
// one, or a thousand more.
func TestDecimalLeavesNumbersAlone(t *testing.T) {
	assert.Equal(t, "1.234", apply(Decimal(",", "."), "1.234"))
	assert.Equal(t, "1234.567", apply(Decimal(",", "."), "1.234,567"))
}

func TestRuleWithAMistakeIsBad(t *testing.T) {
	for _, r := range []Rule{Match("("), Match("a)|(?:b"), MaxLength(-1), Cut(-1), Decimal(".", "\xff"), Decimal("", ","), Decimal(".", "."), Decimal("..", ","), Decimal("5", ","), Date(""), {}} {
		assert.Equal(t, bad, apply(r, "1"))
		_, err := New(Config{Columns: []Column{{Name: "a", Rules: []Rule{r}}}})
		assert.ErrorContains(t, err, `column 1 ("a"): rule 1: `, r.Name)
	}
}

// Whatever the text, what a rule makes of it is valid UTF-8, and made of that
// again it is the same.
func FuzzRules(f *testing.F) {
	rules := []Rule{
		Trim(), Spaces(), Characters(), Null("-"), Upper(), Lower(), OneOf("a", "B"), MaxLength(4), Cut(3), Integer(),
		Decimal(".", ","), Decimal(".", "'"), Date(time.DateOnly, "2.1.2006"), Bool([]string{"y"}, []string{"n"}),
	}
	for _, text := range []string{"", "a", " x  y\u00a0", "(1,234.50 €)", "MÃ¼ller", "e\u0301\u200b", "1.2.2024", "\u0345ͅ", "İ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		for _, r := range rules {
			once := apply(r, text)
			if once == bad || once == null {
				continue
			}
			assert.True(t, utf8.ValidString(once), "%s of %q", r.Name, text)
			assert.Equal(t, once, apply(r, once), "%s of %q twice", r.Name, text)
		}
	})
}
