package disk_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]disk.Config{
		"Memory":   {},           // the finished keys of a rule fit into memory
		"Segments": {Recent: 40}, // they do not
	} {
		t.Run(name, func(t *testing.T) {
			claimtest.Run(t, func(t testing.TB) claim.Claimer {
				s, err := disk.Open(t.TempDir(), cfg)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				return s
			}, claimtest.Options{Bubble: true})
		})
	}
}
