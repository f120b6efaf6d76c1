package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The story ends well however slow the machine: a set that was taken for complete too
// early is reopened.
func TestStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out), "%s", &out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Regexp(t, "^checked .* the last with everything$", lines[len(lines)-1])
	for _, text := range []string{"36 objects, quiet", "37 objects, quiet", "reopened ", "produced "} {
		assert.Contains(t, out.String(), text)
	}
}
