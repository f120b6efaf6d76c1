package source_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// TakeLine gives what Next would have given, or nothing and changes nothing.
func TestTakeLineIsNext(t *testing.T) {
	const text = "a\nb b\r\n\n \r\n  c\n\rd\nlonger than it may be\ne\n\x00f\nlast"
	for _, split := range []source.Split{
		{Format: source.FormatLines, Raw: true, MaxRecordBytes: 10},
		{Format: source.FormatLines, MaxRecordBytes: 10},
		{Format: source.FormatAuto},
	} {
		one, err := source.NewSplitter(split)
		require.NoError(t, err)
		other, err := source.NewSplitter(split)
		require.NoError(t, err)
		taken := 0
		for rest := []byte(text); ; {
			want := one.Next(rest, true)
			end, n := other.TakeLine(rest)
			if n == 0 {
				assert.Equal(t, want, other.Next(rest, true))
			} else {
				assert.Equal(t, want, source.Token{Kind: source.TokenRecord, End: end, Advance: n})
				taken++
			}
			assert.Equal(t, []any{one.Offset(), one.State()}, []any{other.Offset(), other.State()})
			if want.Kind == source.TokenEnd {
				break
			}
			rest = rest[want.Advance:]
		}
		assert.Equal(t, split.Raw, taken > 0, "only raw lines can be seen to be records")
	}
}
