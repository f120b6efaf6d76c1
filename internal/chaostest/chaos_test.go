//go:build linux

package chaostest

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// whole says that the fleets are run on every store, and at full size.
var whole = os.Getenv("UNSPOOL_FULL") != ""

// sized chooses between a whole run of the tests and a brief one.
func sized(full, brief options) options {
	if whole {
		return full
	}
	return brief
}

// Where nothing goes wrong, nothing comes twice. Leases are long, so that it is
// not the machine that is tested.
func TestFleetInCalm(t *testing.T) {
	o := sized(options{files: 600, workers: 3, lease: time.Minute, large: 200}, options{files: 150, workers: 2, lease: time.Minute, large: 70}).fromEnvironment(t)
	o.kills, o.stalls, o.cuts, o.restarts = 0, 0, 0, 0
	v := newFleet(t, o, kindRemote, startRemote(t)).run()
	v.require(t)
	for why := range v.again {
		assert.Contains(t, []cause{byStand, bySlow, byEnd, byFailure, byWait}, why) // of a machine that has no time
	}
}

// Workers are killed and stopped, their connections cut and slowed down, and
// the store is restarted: nothing is lost, nothing is finished that was not
// delivered, and what comes twice had to.
func TestFleet(t *testing.T) {
	large := options{files: 1000, workers: 4, kills: 5, stalls: 3, cuts: 8, restarts: 1, lease: 2 * time.Second, rate: 150, large: 300}
	small := options{files: 150, workers: 3, kills: 2, stalls: 1, cuts: 3, restarts: 1, lease: 2 * time.Second, rate: 400, large: 70}
	// A key is a request of its own to these, and their time is that of the
	// dates of answers, which are whole seconds.
	slow := options{files: 100, workers: 3, kills: 2, stalls: 1, cuts: 2, lease: 5 * time.Second, rate: 20, block: 16}
	for _, c := range []struct {
		kind  string
		opts  options
		start func(testing.TB) server
	}{
		{kindRemote, small, func(t testing.TB) server { return startRemote(t) }},
		{kindRedis, sized(large, small), func(t testing.TB) server { return startRedis(t, durable...) }},
		{kindDynamoDB, slow, func(t testing.TB) server { return startDynamoDB(t) }},
		{kindS3, slow, func(t testing.TB) server { return startS3(t) }},
	} {
		t.Run(c.kind, func(t *testing.T) {
			if !whole && c.kind != kindRemote {
				t.Skip("only with UNSPOOL_FULL=1, as .ci/run does")
			}
			s := c.start(t)
			newFleet(t, c.opts.fromEnvironment(t), c.kind, s).run().require(t)
		})
	}
}
