// Package processor drains a source of immutable objects into a sink: it
// claims each object, cuts it into records, transforms and packs them, sends
// the messages and accounts for every record.
//
// Start with [New] and [Service.Run]:
//
//	svc, err := processor.New(processor.Config{
//		Source: files, Claimer: claims, Transform: fields, Sink: queue,
//		RetryURL: "retry", FailedURL: "failed", CorruptionURL: "corrupt",
//	})
//	...
//	report, err := svc.Run(ctx)
//
// How data flows, and where to read: Run lists and claims objects in blocks
// (feed.go); workers read, split and transform them and append the output to
// their open batch (work.go, stream.go, pack.go), or hand them to a custom
// [Processor], alone or in batches (processor.go, batch.go); senders send the
// batches (send.go); the ledger notes each record's fate (ledger.go); when all
// records of an object have one, the closer completes its claim or gives it back
// (closer.go). What cannot be delivered goes to the destinations (parts.go).
package processor

import "sync"

// Service processes objects and streams. It holds no state between calls and
// is safe for concurrent use.
type Service struct {
	cfg     Config
	windows sync.Pool // of *[slabBytes]byte, between calls
}

// New returns a service, or every mistake in cfg at once. It starts nothing,
// opens nothing but what tells the memory limits of the process, and does not
// keep pointers into cfg.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Service{cfg: cfg}, nil
}
