package processor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/transform"
)

// A row that is none of its type is in the corruption destination, as it stands, with
// a transform as with a processor of one's own; and the errors that are told are few.
func TestDefect03MalformedTypedRowsAreCorrupt(t *testing.T) {
	type trade struct{ Units int }
	var lines, bad []string
	for i := range 300 {
		line := fmt.Sprintf(`{"Units":%d}`, i)
		if i%3 > 0 {
			line = fmt.Sprintf(`{"Units":"secret-%d"}`, i)
			bad = append(bad, line)
		}
		lines = append(lines, line)
	}
	sink := sinkmemory.New(sinkmemory.Config{})
	for name, use := range map[string]func(*push){
		"processor": func(p *push) {
			p.use(func(_ context.Context, line string) error {
				_, err := transform.Decode[trade]([]byte(line), false)
				return err
			})
		},
		"transform": func(p *push) {
			p.cfg.Processor, p.cfg.Sink = nil, sink
			p.cfg.Transform = transform.Typed[trade]{Do: func(_ context.Context, row *trade, out *transform.Output) error {
				return out.EmitJSON(row)
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPush(t, t.TempDir(), accept)
			use(p)
			resp, err := p.do(t.Context(), strings.NewReader(strings.Join(lines, "\n")), "data/trades.json")
			require.NoError(t, err)
			assert.EqualValues(t, 100, resp.Processed)
			assert.EqualValues(t, 200, resp.CorruptionErrors)
			var kept []string
			for _, e := range p.kept("corrupt") {
				kept = append(kept, string(e.Data))
			}
			assert.ElementsMatch(t, bad, kept)
			assert.LessOrEqual(t, len(resp.Errors), 20)
			assert.NotContains(t, strings.Join(resp.Errors, "\n"), "secret")
			assert.Equal(t, processor.StatusOK, resp.Status)
		})
	}
}
