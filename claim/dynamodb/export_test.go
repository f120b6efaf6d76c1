package dynamodb

import (
	"time"

	"github.com/unspool-go/unspool/claim/internal/storeclock"
)

// SetClock makes the store take now for the time of this machine. Not while it
// is used.
func (s *Store) SetClock(now func() time.Time) { s.clock = storeclock.New(now) }
