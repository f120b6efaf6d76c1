package processortest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIDs(t *testing.T) {
	for body, want := range map[string][]string{
		``:                                     nil,
		`{"id":"a"}`:                           {"a"},
		` {"n":{"id":"x"},"id":"é"} `:          {"é"},
		`[{"id":"a"},{"n":1},{"id":"b"},7]`:    {"a", "b"},
		"{\"id\":\"a\"}\n{\"id\":\"b\"}\n":     {"a", "b"},
		"[{\"id\":\"a\"}]\n[{\"id\":\"b\"}]\n": {"a", "b"},
		`{"id":"a","n":1,"id":"b"}`:            {"b"},
		`{"id":7}`:                             nil,
		`[[{"id":"a"}]]`:                       nil,
		"{\"id\":\"a\"}\n{\"id\":\"b\"":        {"a"},
		`"a"`:                                  nil,
	} {
		assert.Equal(t, want, IDs([]byte(body)), body)
	}
}
