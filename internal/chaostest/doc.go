// Package chaostest holds the test of a fleet: worker processes that share one
// backlog through a claim store, while they are killed and stopped, their
// connections are cut and the store is restarted. It has no code of its own.
//
// The test process is the judge. It runs the queue, so that it sees every
// message that was accepted, and stands between the workers and what they talk
// to. Every worker writes down what it does, before it does it: what its store
// acknowledged and what its queue confirmed. From that and from the queue's own
// record the judge tells afterwards whether anything was lost, and whether what
// came twice had to.
//
// A longer run is configured by environment variables; see options_test.go.
package chaostest
