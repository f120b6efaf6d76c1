package processor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
)

// Where not all settled spans fit into the text, the longest are kept: what is
// left out is sent again.
func TestProgressKeepsTheLongestSpans(t *testing.T) {
	p := progress{Identity: "v1", Fingerprint: "f1", Offset: 1000, State: "s"}
	at := p.Offset
	for i := range int64(10_000) {
		length := 1 + (i*7919)%10_007 // all different, in no order
		p.Settled = append(p.Settled, span{at + 10, at + 10 + length})
		at += 10 + length
	}
	text := p.encode()
	require.LessOrEqual(t, len(text), claim.MaxProgressBytes)
	require.Greater(t, len(text), claim.MaxProgressBytes*9/10, "there was room for more")

	got := parseProgress(text, "f1")
	assert.Equal(t, []any{p.Identity, p.Offset, p.State}, []any{got.Identity, got.Offset, got.State})
	kept := make(map[span]bool, len(got.Settled))
	shortest := int64(1 << 62)
	for _, s := range got.Settled {
		kept[s] = true
		shortest = min(shortest, s[1]-s[0])
	}
	for _, s := range p.Settled {
		if !kept[s] && s[1]-s[0] > shortest {
			t.Fatalf("span %v is left out, and one of %d bytes kept", s, shortest)
		}
		delete(kept, s)
	}
	assert.Empty(t, kept, "spans that were never settled")
}

// A large object is checkpointed for every frame that is settled, though it be
// out of order and the first one still open.
func TestCheckpointOfFramesSettledOutOfOrder(t *testing.T) {
	o := &object{opened: true, run: &run{}}
	o.retain() // it is still being read
	var frames []*frame
	for i := range int64(4) {
		f := o.beginFrame(scanPoint{offset: 100 * i}, true)
		f.close(10, 100*(i+1))
		frames = append(frames, f)
	}
	var c closer
	require.Empty(t, c.marks([]*object{o}), "nothing is settled")
	for _, step := range []struct {
		frame int
		want  progress
	}{
		{2, progress{Settled: []span{{200, 300}}}},
		{1, progress{Settled: []span{{100, 300}}}},
		{0, progress{Offset: 300, Settled: []span{}}},
		{3, progress{Offset: 300, Settled: []span{{300, 400}}}},
	} {
		frames[step.frame].settle(delivered, 10)
		marks := c.marks([]*object{o})
		require.Len(t, marks, 1, "frame %d is settled", step.frame)
		got := parseProgress(marks[0].progress, "")
		assert.Equal(t, step.want.Offset, got.Offset)
		assert.ElementsMatch(t, step.want.Settled, got.Settled)
		assert.Empty(t, c.marks([]*object{o}), "nothing has changed since")
	}
}
