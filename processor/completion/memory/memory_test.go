package memory_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/completiontest"
	"github.com/unspool-go/unspool/processor/completion/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	completiontest.Run(t, func(testing.TB) completion.Store { return memory.New() }, completiontest.Options{})
}

func TestForget(t *testing.T) {
	s, set := memory.New(), completion.Set{Run: "1"}
	_, err := s.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 1)})
	require.NoError(t, err)
	s.Forget(set)
	rec, err := s.Look(t.Context(), set)
	require.NoError(t, err)
	assert.Zero(t, rec)
}
