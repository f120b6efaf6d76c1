package processor

import (
	"iter"
	"time"

	"github.com/unspool-go/unspool/source"
)

// restPerListing is for how many times as long as a listing took a Watch does not
// list again. A folder that fills faster than it is emptied takes longer to list
// each time, and whoever lists it sends no files meanwhile: without a rest a Watch
// that falls behind would fall behind further.
const restPerListing = 4

// timed yields objects as a listing does, and adds to took how long that was waited
// for the listing.
func timed(objects iter.Seq2[source.Object, error], took *time.Duration) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		began := time.Now()
		defer func() { *took += time.Since(began) }()
		for o, err := range objects {
			*took += time.Since(began)
			more := yield(o, err)
			began = time.Now()
			if !more {
				return
			}
		}
	}
}

// rest returns how long to wait after a listing that took so long.
func (r *run) rest(took time.Duration) time.Duration {
	return max(r.cfg.PollInterval, min(restPerListing*took, r.cfg.RescanInterval))
}
