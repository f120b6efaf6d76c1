package processor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
)

// textless is an error whose text cannot be asked for.
type textless struct{ text *string }

func (e *textless) Error() string { return *e.text }

// A pointer that is nil, in an error that is not: the classic mistake of whoever
// declares what is returned by its own type. It concerns its records, and no others.
func TestErrorsThatArePointersToNothing(t *testing.T) {
	for name, err := range map[string]error{
		"BatchError": (*processor.BatchError)(nil),
		"Partial":    (*fault.Partial)(nil),
		"another":    (*textless)(nil),
		"classified": fault.Corrupt(errors.Join(errNotNow, (*fault.Partial)(nil))),
		"in a list":  &processor.BatchError{Failed: []processor.RecordError{{Index: 0, Err: (*textless)(nil)}, {Index: 1, Err: (*fault.Partial)(nil)}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &batches{do: func(context.Context, []string) error { return err }}
			p := pushBatches(t, b)
			p.cfg.BatchSize = 2
			resp, err := p.do(t.Context(), strings.NewReader("1\n2\n3\n4\n"), "mem://in/a.txt")
			require.NoError(t, err)
			assert.EqualValues(t, 4, resp.Loaded)
			assert.EqualValues(t, 4, resp.RetryErrors)
			assert.Empty(t, b.taken)
		})
		t.Run(name+" of Process", func(t *testing.T) {
			p := newPush(t, t.TempDir(), func(context.Context, string) error { return err })
			resp, err := p.do(t.Context(), strings.NewReader("1\n2\n3\n4\n"), "mem://in/a.txt")
			require.NoError(t, err)
			assert.EqualValues(t, 4, resp.Loaded)
			assert.EqualValues(t, 4, resp.RetryErrors)
		})
	}
}
