package streampoll

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is known to be finished is kept for as long as a shard that is listed has to do with
// it: a run may last for years.
func TestFinishedShardsAreForgotten(t *testing.T) {
	r := &run{done: map[string]bool{"older": true, "old": true, "new": true}}
	r.forget(lineage{shards: []shard{{id: "new", parent: "old"}, {id: "newer", parent: "new"}}})
	assert.Equal(t, map[string]bool{"old": true, "new": true}, r.done)
}
