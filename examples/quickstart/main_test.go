package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestQuickstartTellsWhatHappened(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 1000))

	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, 6, "%s", &out)
	for i, word := range []string{"wrote", "drained", "put by", "again", "checked"} {
		assert.Regexp(t, "^"+word+" ", string(lines[i]))
	}
	assert.Contains(t, string(lines[0]), "1,000 files")
	assert.Contains(t, string(lines[3]), "1,000 files were done already")

	var summary processor.Response
	require.NoError(t, json.Unmarshal(lines[5], &summary))
	assert.Equal(t, processor.StatusOK, summary.Status)
	assert.EqualValues(t, 1000, summary.Finished)
	assert.Equal(t, summary.Loaded,
		summary.Delivered+summary.Dropped+summary.RetryErrors+summary.CorruptionErrors+summary.FailedErrors)
}

func TestTheChecksSeeWhatIsWrong(t *testing.T) {
	want := spooltest.Expected{Delivered: []int64{1, 2}, Corrupt: map[string]int{"a.json": 1}}
	for name, body := range map[string]string{
		"a record missing": `[{"id":1}]`,
		"one sent twice":   `[{"id":1},{"id":2},{"id":2}]`,
		"one made up":      `[{"id":1},{"id":3}]`,
		"not JSON":         `[{"id":1},`,
	} {
		assert.Error(t, checkQueue([]sqstest.Message{{Body: body}}, want), name)
	}
	assert.NoError(t, checkQueue([]sqstest.Message{{Body: `[{"id":2}]`}, {Body: `[{"id":1}]`}}, want))

	_, err := checkCorruption(t.TempDir(), want)
	assert.Error(t, err, "nothing was put by")
}

func TestComma(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		assert.Equal(t, want, comma(n))
	}
}
