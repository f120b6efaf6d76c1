package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Answer tells the event source mapping of a queue or a stream what to deliver
// again: of a queue the messages listed, of a stream everything from the first one
// listed on. The zero Answer means that everything is settled.
//
// Lambda takes an answer without a list, or with none, for success, and so does it
// with an answer that it does not understand. So the list is always written, and
// an empty id, which would stand for nothing, is an error.
type Answer struct{ again []string }

// Again returns the answer that has what it lists delivered again: the messages with
// these ids, or the changes from these sequence numbers on. It is for handlers of one's
// own; those of this package make theirs.
func Again(ids ...string) Answer { return Answer{again: slices.Clone(ids)} }

// Again returns the ids that are delivered again.
func (a Answer) Again() []string { return slices.Clone(a.again) }

// MarshalJSON implements [json.Marshaler].
func (a Answer) MarshalJSON() ([]byte, error) {
	type item struct {
		ID string `json:"itemIdentifier"`
	}
	out := struct {
		Failures []item `json:"batchItemFailures"`
	}{make([]item, len(a.again))}
	for i, id := range a.again {
		if id == "" {
			return nil, errors.New("aws: an answer with an empty id would stand for success")
		}
		out.Failures[i].ID = id
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("aws: marshal the answer: %w", err)
	}
	return text, nil
}
