package jsonscan

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "plain", `a "b" \ c`, "\x00\x1f\n\r\t\b\f", "é 日本 😀", "\u2028", "</script>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		quoted := AppendString([]byte("before"), text)
		require.Equal(t, "before", string(quoted[:6]))
		require.Equal(t, quoted, AppendString([]byte("before"), []byte(text)))
		require.NoError(t, Valid(quoted[6:], 1))
		var back string
		require.NoError(t, json.Unmarshal(quoted[6:], &back))
		require.Equal(t, text, back)
	})
}
