package env_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/env"
)

func TestEnv(t *testing.T) {
	values := map[string]string{"A": "a", "D": "90s", "E": "90"}
	e := env.New(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	assert.Equal(t, "a", e.Need("A"))
	assert.Empty(t, e.Get("B"))
	assert.Equal(t, 90*time.Second, e.Duration("D"))
	assert.Zero(t, e.Duration("C"))
	require.NoError(t, e.Err())
	e.Need("B")
	e.Duration("E")
	require.EqualError(t, e.Err(), "B: not set\nE: \"90\" is no duration such as 24h")
}
