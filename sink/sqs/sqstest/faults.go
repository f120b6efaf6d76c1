package sqstest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Call describes a request to a fault injector.
type Call struct {
	// Operation is its name, such as "SendMessageBatch".
	Operation string
	// Queue is the name of the queue, empty where the operation has none.
	Queue string
	// Number counts the requests of the server, from 1.
	Number int
	// Entries is the number of messages in a SendMessage or SendMessageBatch.
	Entries int
}

// Fault is what happens to a call. The zero value is no fault.
type Fault struct {
	// Delay holds the call up before anything else, in real time.
	Delay time.Duration
	// Cut closes the connection instead of handling the call.
	Cut bool
	// Code fails the call with this error, as SQS writes it (for example
	// "RequestThrottled", "ThrottlingException", "InternalError",
	// "ServiceUnavailable", "AccessDenied"). Nothing is carried out.
	Code string
	// Entries fails single entries of a SendMessageBatch, DeleteMessageBatch or
	// ChangeMessageVisibilityBatch, by index, with the codes given. All others are
	// carried out.
	Entries map[int]string
	// LoseResponse carries the call out and closes the connection instead of
	// answering.
	LoseResponse bool
}

// Inject asks f, for every call that is signed and well formed, what is to
// happen to it. It replaces an earlier f; nil ends it. f is called from several
// goroutines at once.
func (s *Server) Inject(f func(*Call) Fault) { s.injector.Set(f) }

// Faults is a random mixture of faults for calls that send. Each share is a
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
	// FailEntries is the share of calls of which some entries fail with
	// InternalError, each with a probability of one half.
	FailEntries float64
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
		if c.Entries == 0 {
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
	return f.Cut || f.LoseResponse || f.Code != "" || len(f.Entries) > 0
}

func (f Faults) draw(rng *rand.Rand, c *Call) Fault {
	var fault Fault
	if f.Delay > 0 {
		fault.Delay = time.Duration(rng.Int64N(int64(f.Delay)))
	}
	throttles := []string{"RequestThrottled", "ThrottlingException", "KmsThrottled"}
	failures := []string{"InternalError", "InternalFailure", "ServiceUnavailable"}
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
	case hit(f.FailEntries) && c.Operation == "SendMessageBatch":
		fault.Entries = map[int]string{}
		for i := range c.Entries {
			if rng.IntN(2) == 0 {
				fault.Entries[i] = "InternalError"
			}
		}
	}
	return fault
}
