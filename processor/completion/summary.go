package completion

import (
	"encoding/json"
	"fmt"

	"github.com/unspool-go/unspool/processor/fault"
)

// Summary is the arrival that the summary of a loader's call stands for: the JSON of
// a processor.Response, as the call returns it and as a function of Lambda hands it
// to its destination. The records are those delivered; the objects are those
// finished, or the one that was pushed.
//
// key must be the same each time one summary comes, and another for each call, such
// as the id of the request. After a crash a loader may deliver records again: a
// count of records is then larger than their number.
func Summary(key string, text []byte) (Arrival, error) {
	var s struct {
		Status              string
		SourceURL           string
		Finished, Delivered int64
	}
	if err := json.Unmarshal(text, &s); err != nil || s.Status == "" {
		return Arrival{}, fault.Corrupt(fmt.Errorf("summary %.64q: it is none of a loader", key))
	}
	a := Arrival{Key: key, Objects: s.Finished, Records: s.Delivered}
	if s.SourceURL != "" && s.Finished == 0 {
		a.Objects = 1
	}
	if err := a.Check(); err != nil {
		return Arrival{}, fault.Corrupt(err)
	}
	return a, nil
}
