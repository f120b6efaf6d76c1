package processor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/source"
)

// An intent holds as many names as fit, at least one, and gives them back.
func TestIntents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.OneOf(
			rapid.StringN(1, 40, -1),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, claim.MaxKeyBytes), func(b []byte) string { return string(b) }),
		), 1, 40).Draw(t, "keys")
		var items []item
		for _, key := range keys {
			items = append(items, item{Object: source.Object{Key: key, Size: -1}, claimKey: fitClaimKey(key + "\x00v")})
		}
		text, n := encodeIntent(items)
		if n < 1 || n > len(items) || len(text) > claim.MaxProgressBytes && n > 1 {
			t.Fatalf("%d of %d items in %d bytes", n, len(items), len(text))
		}
		back, err := decodeIntent(text)
		require.NoError(t, err)
		assert.Equal(t, items[:n], back)
	})
}

// Names as they are in practice fill a block, and the longest ones fit one by one.
func TestIntentsHaveRoom(t *testing.T) {
	var items []item
	for i := range 256 {
		key := "2026-11-22/" + strings.Repeat(string(rune('a'+i%26)), 3) + "/feed-" + strings.Repeat(string(rune('0'+i%10)), 6) + ".json"
		items = append(items, item{Object: source.Object{Key: key, Size: -1}, claimKey: key})
	}
	_, n := encodeIntent(items)
	assert.Equal(t, 256, n)
	for _, text := range []string{"", "x", "AAAA", "!", "////"} {
		_, err := decodeIntent(text)
		if text != "" {
			assert.Error(t, err, text)
		}
	}
}
