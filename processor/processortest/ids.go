package processortest

import (
	"bytes"
	"encoding/json"

	"github.com/tidwall/gjson"
)

// IDs returns the members "id" of the JSON objects in a message body, however
// it is packed: one value, values one after the other, or an array of values.
func IDs(body []byte) []string {
	var ids []string
	if gjson.ValidBytes(body) { // one value, as most are: many times as fast
		if value := gjson.ParseBytes(body); value.IsArray() {
			value.ForEach(func(_, v gjson.Result) bool {
				ids = appendID(ids, v)
				return true
			})
		} else {
			ids = appendID(ids, value)
		}
		return ids
	}
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

// appendID appends the member "id" of value, if it is an object that has one.
func appendID(ids []string, value gjson.Result) []string {
	if !value.IsObject() {
		return ids
	}
	var id gjson.Result // the last of that name counts, as for encoding/json
	value.ForEach(func(name, v gjson.Result) bool {
		if name.Str == "id" {
			id = v
		}
		return true
	})
	if id.Type == gjson.String && id.Str != "" {
		return append(ids, id.Str)
	}
	return ids
}
