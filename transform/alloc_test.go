//go:build !race

package transform

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/source"
)

// The race detector makes pools forget at random, so this is tested without.
func TestProjectDoesNotAllocate(t *testing.T) {
	p := MustProject(benchFields...)
	tweet := tweets(1, true)[0]
	var out Output
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		out.Reset()
		if err := p.Apply(t.Context(), source.Record{Data: tweet}, &out); err != nil {
			t.Error(err)
		}
	}))
}
