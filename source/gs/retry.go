package gs

import (
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
)

const (
	// tries is how often something is asked for before it is an error.
	tries = 5
	// firstWait is the time before the second of them, lastWait the longest.
	firstWait = 100 * time.Millisecond
	lastWait  = 2 * time.Second
)

// retries bounds those of the client, which by themselves go on until the
// context ends.
func retries() []storage.RetryOption {
	return []storage.RetryOption{
		storage.WithMaxAttempts(tries),
		storage.WithBackoff(gax.Backoff{Initial: firstWait, Max: lastWait, Multiplier: 2}),
	}
}
