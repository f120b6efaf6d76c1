package dir

import (
	"time"

	"github.com/unspool-go/unspool/source"
)

// SetSettled replaces settledAge.
func (s *Source) SetSettled(d time.Duration) { s.settled = d }

// PollBlindly polls s as where nobody knows who writes to a file.
func (s *Source) PollBlindly() source.Changes {
	v := s.newView()
	v.unsettled.inspect = func(key string) (info, writers, error) {
		found, _, err := s.files.inspect(key)
		return found, unknownWriters, err
	}
	return s.poll(v)
}
