package processor_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

// With batches as without, blank lines are no rows, nor do they fill a batch.
func TestDefect16BlankLinesFillNoBatch(t *testing.T) {
	b := &batches{}
	p := pushBatches(t, b)
	p.cfg.BatchSize = 2
	resp, err := p.do(t.Context(), strings.NewReader("\n\na\n\n \n\t\nb\n\r\n\nc\n\n"), "data/rows.txt")
	require.NoError(t, err)
	assert.EqualValues(t, 3, resp.Loaded)
	assert.Equal(t, []string{"a", "b", "c"}, b.sorted())
	assert.Equal(t, map[int]int{2: 1, 1: 1}, b.sizes())
}

// A group is of its key, and not of everything, whatever delimits the fields;
// within it the order is that of the input.
func TestDefect17GroupsAreOfOneKey(t *testing.T) {
	b := &batches{}
	p := pushBatches(t, b)
	p.cfg.Concurrency = 1
	p.cfg.GroupBy = func(rec source.Record) []byte { return []byte(strings.Fields(string(rec.Data))[0]) }
	_, err := p.do(t.Context(), strings.NewReader("1 b\n1 a\n2 c\n10 d\n10 a\n"), "data/rows.txt")
	require.NoError(t, err)
	assert.Equal(t, [][]string{{"1 b", "1 a"}, {"2 c"}, {"10 d", "10 a"}}, b.calls)
}

// BatchSize holds for JSON as for text.
func TestDefect22BatchSizeHoldsForEveryFormat(t *testing.T) {
	for format, input := range map[source.Format]string{
		source.FormatLines: "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n",
		source.FormatAuto:  `[{"n":1},{"n":2},{"n":3},{"n":4},{"n":5}]`,
	} {
		b := &batches{}
		p := pushBatches(t, b)
		p.cfg.BatchSize, p.cfg.Split.Format = 2, format
		resp, err := p.do(t.Context(), strings.NewReader(input), "data/rows.json")
		require.NoError(t, err)
		assert.EqualValues(t, 5, resp.Processed)
		assert.Equal(t, map[int]int{2: 2, 1: 1}, b.sizes(), format)
	}
}
