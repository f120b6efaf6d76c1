package processor

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/source"
)

// An intent holds as many names as fit, at least one, and gives them back.
func TestIntents(t *testing.T) {
	var w intentWriter
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.OneOf(
			rapid.StringN(1, 40, -1),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, claim.MaxKeyBytes), func(b []byte) string { return string(b) }),
		), 1, 40).Draw(t, "keys")
		var items []item
		for _, key := range keys {
			items = append(items, item{source.Seen{Object: source.Object{Key: key, Size: -1}}, rapid.SampledFrom([]string{key, fitClaimKey(key + "\x00v")}).Draw(t, "claimKey")})
		}
		text, n := w.encode(items)
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
	for name, key := range map[string]func(i int) string{
		"numbered": func(i int) string { return fmt.Sprintf("2026-11-22/feed-%06d.json", 7*i) },
		"by time": func(i int) string {
			return time.Unix(1764000000, int64(i)*333_333_457).UTC().Format("2006/01/02/15/04/05.000000000") + fmt.Sprintf("-%d.json", 4711+i)
		},
	} {
		var items []item
		for i := range 256 {
			items = append(items, item{source.Seen{Object: source.Object{Key: key(i), Size: -1}}, key(i)})
		}
		var w intentWriter
		_, n := w.encode(items)
		assert.Equal(t, 256, n, name)
	}
}

func TestMalformedIntents(t *testing.T) {
	for _, text := range []string{"x", "AAAA", "!", "////"} {
		_, err := decodeIntent(text)
		assert.Error(t, err, text)
	}
}
