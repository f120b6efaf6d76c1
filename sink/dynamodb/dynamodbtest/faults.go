package dynamodbtest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Call describes a request to a fault injector.
type Call struct {
	// Operation is its name, such as "BatchWriteItem".
	Operation string
	// Table is the name of the table, or of the first by name of a batch or
	// transaction. It is empty where the operation names none.
	Table string
	// Number counts the requests of the server, from 1.
	Number int
	// Writes is the number of items that the call writes.
	Writes int

	writes []ref // what holds each item or key, of a request that is not let go yet
}

// Item is the i-th item that the call writes: what PutItem, a PutRequest or a Put
// carries, or the key of what is updated or deleted. Batches are in the order
// of the names of their tables. It is nil if there is none or it is malformed.
// It must not be called after the injector has returned.
func (c *Call) Item(i int) Item {
	if i < 0 || i >= len(c.writes) {
		return nil
	}
	a, err := decodeAttrs(c.writes[i])
	if err != nil {
		return nil
	}
	return a.plain()
}

// Fault is what happens to a call. The zero value is no fault.
type Fault struct {
	// Delay holds the call up before anything else, in real time.
	Delay time.Duration
	// Cut closes the connection instead of handling the call.
	Cut bool
	// Code fails the call with this error, as DynamoDB writes it (for example
	// "ProvisionedThroughputExceededException", "ThrottlingException",
	// "RequestLimitExceeded", "InternalServerError", "ValidationException").
	// Nothing is carried out.
	Code string
	// Unprocessed, if set, leaves those writes of a BatchWriteItem undone, and
	// those keys of a BatchGetItem unread, for which it returns true; they are
	// in UnprocessedItems or UnprocessedKeys of the answer. It gets the index as
	// [Call.Item] counts. If it leaves all of them the call fails with
	// ProvisionedThroughputExceededException, as it does on AWS.
	Unprocessed func(i int) bool
	// LoseResponse carries the call out and closes the connection instead of
	// answering.
	LoseResponse bool
}

// Inject asks f, for every call that is signed and well formed, what is to
// happen to it. It replaces an earlier f; nil ends it. f is called from several
// goroutines at once, and so is what it returns as Unprocessed.
func (s *Server) Inject(f func(*Call) Fault) { s.injector.Set(f) }

// unprocessed asks Unprocessed about each of n items. The caller must not hold the
// data lock: what it asks may ask the server.
func (f *Fault) unprocessed(n int) []bool {
	out := make([]bool, n)
	if f.Unprocessed != nil {
		for i := range out {
			out[i] = f.Unprocessed(i)
		}
	}
	return out
}

// Faults is a random mixture of faults for calls that write. Each share is a
// probability between 0 and 1; the same seed and the same order of calls give
// the same faults.
type Faults struct {
	Seed uint64
	// Max is how many calls are disturbed at most, so that whoever retries gets
	// through in the end. Zero means no bound.
	Max int

	Throttle     float64 // share of calls refused by throttling
	Unavailable  float64 // share refused with a 5xx
	Cut          float64 // share whose connection is cut before the call is seen
	LoseResponse float64 // share carried out without an answer
	// Unprocessed is the share of the items of each BatchWriteItem, not otherwise
	// disturbed, that is left in UnprocessedItems.
	Unprocessed float64
	// Delay holds up every call, disturbed or not, for a random time up to it.
	Delay time.Duration
}

// Injector returns a function for [Server.Inject]. Each has its own sequence
// and bound.
func (f Faults) Injector() func(*Call) Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(f.Seed, 0))
	left := f.Max
	return func(c *Call) Fault {
		if c.Writes == 0 {
			return Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		fault := f.draw(rng, c)
		if f.Max > 0 && fault.disturbs() {
			if left == 0 {
				return Fault{Delay: fault.Delay}
			}
			left--
		}
		return fault
	}
}

func (f Fault) disturbs() bool {
	return f.Cut || f.LoseResponse || f.Code != "" || f.Unprocessed != nil
}

func (f Faults) draw(rng *rand.Rand, c *Call) Fault {
	var fault Fault
	if f.Delay > 0 {
		fault.Delay = time.Duration(rng.Int64N(int64(f.Delay)))
	}
	throttles := []string{"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
	failures := []string{"InternalServerError", "ServiceUnavailable", "InternalFailure"}
	p := rng.Float64()
	hit := func(share float64) bool {
		p -= share
		return p < 0 && p+share >= 0
	}
	switch {
	case hit(f.Throttle):
		fault.Code = throttles[rng.IntN(len(throttles))]
	case hit(f.Unavailable):
		fault.Code = failures[rng.IntN(len(failures))]
	case hit(f.Cut):
		fault.Cut = true
	case hit(f.LoseResponse):
		fault.LoseResponse = true
	case f.Unprocessed > 0 && c.Operation == "BatchWriteItem":
		left := make([]bool, c.Writes)
		for i := range left {
			left[i] = rng.Float64() < f.Unprocessed
		}
		fault.Unprocessed = func(i int) bool { return left[i] }
	}
	return fault
}
