//go:build linux

package chaostest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Where nothing goes wrong, nothing comes twice.
func TestFleetInCalm(t *testing.T) {
	o := options{files: 600, workers: 3, lease: 3 * time.Second, large: 200}.fromEnvironment(t)
	o.kills, o.stalls, o.cuts, o.restarts = 0, 0, 0, 0
	v := newFleet(t, o, kindRemote, startRemote(t)).run()
	v.require(t)
	for why := range v.again {
		assert.Contains(t, []cause{byStand, bySlow}, why)
	}
}

func TestFleet(t *testing.T) {
	o := options{files: 1500, workers: 4, kills: 4, stalls: 2, cuts: 6, restarts: 1, lease: 2 * time.Second, rate: 300, large: 300}
	t.Run(kindRemote, func(t *testing.T) {
		v := newFleet(t, o.fromEnvironment(t), kindRemote, startRemote(t)).run()
		v.require(t)
	})
	t.Run(kindRedis, func(t *testing.T) {
		v := newFleet(t, o.fromEnvironment(t), kindRedis, startRedis(t, durable...)).run()
		v.require(t)
	})
}
