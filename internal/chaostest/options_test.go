//go:build linux

package chaostest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// options are the size of a run. Each field is overridden by the environment
// variable named behind it, in every test of a fleet:
//
//	CHAOS_SEED=17 CHAOS_FILES=20000 CHAOS_TIME=1h go test -timeout 0 -run TestFleet/redis ./internal/chaostest
type options struct {
	seed     uint64        // CHAOS_SEED; decides about files and faults
	files    int           // CHAOS_FILES
	workers  int           // CHAOS_WORKERS
	kills    int           // CHAOS_KILLS: of workers, with kill -9
	stalls   int           // CHAOS_STALLS: of workers, past their leases
	cuts     int           // CHAOS_CUTS: faults of a worker's connections to the store or the queue
	restarts int           // CHAOS_RESTARTS: of the store
	time     time.Duration // CHAOS_TIME: over which the feeder spreads the files
	lease    time.Duration // CHAOS_LEASE
	rate     int           // CHAOS_RATE: records per second and worker; 0 is as fast as can be
	large    int           // CHAOS_LARGE: one in so many files is a large one; 0 is none
	block    int           // CHAOS_BLOCK: keys claimed at once; 0 is 64
}

// fromEnvironment returns the options with what the environment says, and
// reports the seed.
func (o options) fromEnvironment(t *testing.T) options {
	t.Helper()
	o.seed = rand.Uint64()
	if v := os.Getenv("CHAOS_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		require.NoError(t, err, "CHAOS_SEED")
		o.seed = seed
	}
	for name, field := range map[string]*int{
		"FILES": &o.files, "WORKERS": &o.workers, "KILLS": &o.kills, "STALLS": &o.stalls, "CUTS": &o.cuts,
		"RESTARTS": &o.restarts, "RATE": &o.rate, "LARGE": &o.large, "BLOCK": &o.block,
	} {
		if v := os.Getenv("CHAOS_" + name); v != "" {
			n, err := strconv.Atoi(v)
			require.NoError(t, err, "CHAOS_"+name)
			*field = n
		}
	}
	for name, field := range map[string]*time.Duration{"TIME": &o.time, "LEASE": &o.lease} {
		if v := os.Getenv("CHAOS_" + name); v != "" {
			d, err := time.ParseDuration(v)
			require.NoError(t, err, "CHAOS_"+name)
			*field = d
		}
	}
	t.Logf("CHAOS_SEED=%d repeats the files and the schedule of faults", o.seed)
	return o
}
