package env_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/env"
)

func TestEnv(t *testing.T) {
	values := map[string]string{"A": "a", "D": "90s", "E": "90", "Z": "0s"}
	e := env.New(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	assert.Equal(t, "a", e.Need("A"))
	assert.Empty(t, e.Get("B"))
	assert.Equal(t, 90*time.Second, e.Duration("D", time.Hour))
	assert.Equal(t, time.Hour, e.Duration("C", time.Hour))
	assert.Zero(t, e.Duration("Z", time.Hour))
	require.NoError(t, e.Err())
	e.Need("B")
	e.Duration("E", 0)
	require.EqualError(t, e.Err(), "B: not set\nE: \"90\" is no duration such as 24h")
}
