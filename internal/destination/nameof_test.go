package destination

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

const someUnique = "0123456789abcdef0123456789abcdef"

func TestIsNameOf(t *testing.T) {
	long := strings.Repeat("folder/", 100) + strings.Repeat("x", 300)
	for _, key := range []string{"a.json", "a/b.json", "a-retry01.json", "../a", "/", "", ".hidden/x", "a%b", long, long + "y"} {
		for _, attempt := range []int{0, 1, 12} {
			name := Name(key, attempt, someUnique)
			assert.True(t, IsNameOf(name, key), name)
			assert.False(t, IsNameOf(name, key+"y"), name)
			assert.False(t, IsNameOf("x/"+name, key), name)
		}
	}
	assert.False(t, IsNameOf("a.json", "a.json"), "no part")
	assert.False(t, IsNameOf("a.json.ndjson", "a.json"), "no part")
}

// A name is the name of its key, and of no other.
func TestIsNameOfIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-z/.%~-]{0,12}(-retry0[0-9])?`).Draw(t, "key")
		other := rapid.StringMatching(`[a-z/.%~-]{0,12}(-retry0[0-9])?`).Draw(t, "other")
		name := Name(key, rapid.IntRange(0, 3).Draw(t, "attempt"), someUnique)
		if !IsNameOf(name, key) || key != other && IsNameOf(name, other) {
			t.Fatalf("%q for %q and %q", name, key, other)
		}
	})
}
