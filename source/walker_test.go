package source

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// TestWalkerAgreesWithScanner: the walker takes what encoding/json takes and
// finds the fault where jsonscan finds it, however the text is cut.
func TestWalkerAgreesWithScanner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text string
		if rapid.Bool().Draw(t, "valid") {
			text = drawValue(t, 4)
		} else {
			text = strings.TrimLeft(strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 1, 8).Draw(t, "fragments"), ""), " \t\r\n")
		}
		chunk := drawChunk(t)

		var w walker
		w.reset(1000)
		at, ev := 0, walkedAll
		for at < len(text) && ev == walkedAll {
			end := min(len(text), at+chunk())
			var n int
			n, ev = w.run([]byte(text[:end]), at)
			require.True(t, ev != walkedAll || n == end, "stopped at %d without a reason", n)
			at = n
		}

		end, err := jsonscan.Value([]byte(text), 0, 1000)
		syntax, bad := errors.AsType[*jsonscan.SyntaxError](err)
		switch {
		case bad:
			require.Equal(t, walkedBad, ev, text)
			require.Equal(t, syntax.Offset, at, text)
		case err != nil:
			require.Equal(t, jsonscan.ErrIncomplete, err)
			require.Equal(t, walkedAll, ev, text)
			require.False(t, w.complete(), text)
		default:
			require.Equal(t, end, at, text)
			require.True(t, w.complete(), text)
			require.True(t, json.Valid([]byte(text[:end])))
		}
	})
}
