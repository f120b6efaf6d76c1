package sqsstore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/processor/sqsstore"
)

// What a record says of itself may be anything: an origin that no source has is none.
func TestDefectARecordThatLiedAboutItsOriginCouldNotBeReadAgain(t *testing.T) {
	for name, lie := range map[string]sqsstore.Origin{
		"offset": {Object: "a", Offset: -1}, "no object": {Offset: 1}, "object": {Object: strings.Repeat("x", 1<<19)}, "version": {Object: "a", Version: strings.Repeat("x", 1<<19)},
	} {
		q := &queue{}
		register(t, q, sqsstore.Config{Origin: func([]byte) (sqsstore.Origin, bool) { return lie, true }})
		record := destination.Envelope{Object: "in/a.csv", Version: "v", Offset: 7, Class: "retryable", Stage: "sink", Data: []byte(strings.Repeat("d", 700<<10))}
		_, err := begin(t, open(t, "sqs://work"), 0, record.Append(nil)).Commit(t.Context())
		require.NoError(t, err, name)
		require.Len(t, q.accepted, 1)
		attributes := map[string]string{}
		for name, a := range q.accepted[0].MessageAttributes {
			attributes[name] = *a.StringValue
		}
		got, ok := sqsletter.Read(*q.accepted[0].MessageBody, attributes)
		require.True(t, ok, name)
		assert.Equal(t, []any{"in/a.csv", "v", int64(7), "sink"}, []any{got.Object, got.Version, got.Offset, got.Stage}, name)
	}
}
