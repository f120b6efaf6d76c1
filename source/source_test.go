package source

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSameAs(t *testing.T) {
	now := time.Now()
	known := Object{Key: "k", Version: "v", Size: 1, ModTime: now}
	for name, c := range map[string]struct {
		other Object
		same  bool
	}{
		"itself":               {known, true},
		"nothing known":        {Object{Key: "k", Size: -1}, true},
		"another time zone":    {Object{Key: "k", Size: 1, ModTime: now.UTC()}, true},
		"another key":          {Object{Key: "l", Version: "v", Size: 1, ModTime: now}, false},
		"another version":      {Object{Key: "k", Version: "w", Size: 1, ModTime: now}, false},
		"another size":         {Object{Key: "k", Version: "v", Size: 0, ModTime: now}, false},
		"another time":         {Object{Key: "k", Version: "v", Size: 1, ModTime: now.Add(1)}, false},
		"another unknown size": {Object{Key: "k", Version: "v", Size: -1, ModTime: now}, true},
	} {
		assert.Equal(t, c.same, known.SameAs(c.other), name)
		assert.Equal(t, c.same, c.other.SameAs(known), name)
	}
}

func TestIdentityIsEmptyIfNothingIsKnown(t *testing.T) {
	assert.Empty(t, Object{Key: "k", Size: -1, ModTime: time.Now()}.Identity())
	assert.Empty(t, Object{Key: "k", Size: 1}.Identity())
	assert.NotEqual(t,
		Object{Size: 1, ModTime: time.Unix(0, 1)}.Identity(),
		Object{Size: 1, ModTime: time.Unix(0, 2)}.Identity())
}
