package lambda

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// What goes wrong with records, and with a whole batch, is told in one bounded line
// that holds nothing of them.
func TestLogsHoldNoPayload(t *testing.T) {
	if !runs("sqsconsumer") {
		t.Skip("at full scale only: it takes seconds to link")
	}
	w := newWorld(t)
	p := w.place(t, "logs")
	f := &meter{Function: p.start(t, modes[0], "sqsconsumer")}
	broken := map[string]string{}
	for i := range 200 {
		broken["message-"+strconv.Itoa(i)] = `{"id":1}` + "\n" + `{"text":"` + payload
	}
	_, line := f.invoke(t, batchOf(t, broken), time.Minute) // which looks for payload, and at the size
	assert.EqualValues(t, 200, line.Get("CorruptionErrors").Int(), line.Raw)
	assert.EqualValues(t, 200, line.Get("Delivered").Int(), line.Raw)

	w.queue.Inject(func(*sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: "AccessDenied"} })
	answer, line := f.invoke(t, batchOf(t, map[string]string{"message": `{"text":"` + payload + `"}`}), time.Minute)
	require.NotNil(t, answer.Failure, "nothing of the batch is settled")
	assert.NotContains(t, answer.Failure.Message, payload)
	assert.EqualValues(t, 1, line.Get("Unsettled").Int(), line.Raw)
}
