package source

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Raw lines are what stands between newlines, less one carriage return, and
// blank ones are none, however the stream is cut.
func TestRawLines(t *testing.T) {
	const most = 6
	r := rand.New(rand.NewPCG(1, 9))
	for range 3000 {
		var text strings.Builder
		for range r.IntN(40) {
			text.WriteByte("ab \r\n\n\t"[r.IntN(7)])
		}
		var want []string
		for line := range strings.SplitSeq(text.String(), "\n") {
			if strings.Trim(line, " \t\r") == "" {
				continue
			}
			if record := strings.TrimSuffix(line, "\r"); len(record) <= most {
				want = append(want, record)
			} else {
				want = append(want, "corrupt")
			}
		}
		s, err := NewSplitter(Split{Format: FormatLines, Raw: true, MaxRecordBytes: most})
		require.NoError(t, err)
		var have []string
		seen, buf := 0, text.String()
		for {
			k := s.Next([]byte(buf[:seen]), seen == len(buf))
			switch {
			case k.Kind == TokenRecord:
				have = append(have, buf[k.Start:k.End])
			case k.Kind == TokenCorrupt && !k.Continues:
				have = append(have, "corrupt")
			case k.Kind == TokenMore:
				seen = min(seen+1+r.IntN(8), len(buf))
			}
			if k.Kind == TokenEnd {
				break
			}
			buf, seen = buf[k.Advance:], max(0, seen-k.Advance)
		}
		assert.Equal(t, want, have, "%q", text.String())
	}
}
