package processor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/source"
)

// What is known to be done is told apart by key and by what the listing says of
// it, and no more is remembered than there is room for: then less is known.
func TestKnown(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	objects := []source.Object{
		{Key: "a", Size: -1}, {Key: "ab", Size: -1}, {Key: "a", Version: "b", Size: -1}, {Key: "", Version: "ab", Size: -1},
		{Key: "a", Size: 1, ModTime: at}, {Key: "a", Size: 2, ModTime: at}, {Key: "a", Size: 1, ModTime: at.Add(1)},
	}
	k := newKnown(len(objects) - 1)
	for i := range objects {
		assert.False(t, k.has(k.mark(&objects[i])), objects[i])
		k.add(k.mark(&objects[i]))
		again := objects[i]
		assert.Equal(t, i < len(objects)-1, k.has(k.mark(&again)), objects[i])
	}
	k.add(k.mark(&objects[0]))

	var nothing *known
	nothing.add(nothing.mark(&objects[0]))
	assert.False(t, nothing.has(nothing.mark(&objects[0])))
}
