package processortest

import (
	"bytes"
	"encoding/json"
)

// IDs returns the members "id" of the JSON objects in a message body, however
// it is packed: one value, values one after the other, or an array of values.
func IDs(body []byte) []string {
	var ids []string
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return ids
		}
		values := []json.RawMessage{value}
		if value[0] == '[' && json.Unmarshal(value, &values) != nil {
			return ids
		}
		for _, v := range values {
			var record struct{ ID string }
			if json.Unmarshal(v, &record) == nil && record.ID != "" {
				ids = append(ids, record.ID)
			}
		}
	}
}
