package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"go.uber.org/zap"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/transform/clean"
)

// Each row arrives, mended, with its result; what failed three times is told, and replayed.
func TestTheWholeStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 3_000, 7))
	for _, want := range []string{
		`(?m)^checked  each defect that was made was found, and nothing else$`, `amount +decimal +[1-9]`,
		`(?m)^dead     [1-9][0-9]* failed 3 times: .*currency is not known$`, `(?m)such as that of day\.csv, byte [1-9]`,
		`(?m)^checked  each of [0-9]+ clean rows is stored, with its result, and nothing else$`,
	} {
		assert.Regexp(t, want, out.String())
	}
}

// A list that does not agree is told.
func TestCompareTellsWhatDiffers(t *testing.T) {
	folder := t.TempDir()
	want, err := upload(folder, 1_000, 1)
	require.NoError(t, err)
	report, counts := loaded(t, folder)
	require.NoError(t, want.compare(report, counts))
	want.rule(colAmount, "decimal").Mended++
	want.counts.Blank++
	err = want.compare(report, counts)
	assert.ErrorContains(t, err, "blank: ")
	assert.ErrorContains(t, err, "Rule:decimal")
}

// Rows are the same for the same seed, and others for another one.
func TestRowsAreThoseOfTheirSeed(t *testing.T) {
	rows := func(seed uint64) string {
		var out bytes.Buffer
		_, err := writeTransactions(&out, 100, seed)
		require.NoError(t, err)
		return out.String()
	}
	assert.Equal(t, rows(1), rows(1))
	assert.NotEqual(t, rows(1), rows(2))
}

func loaded(t *testing.T, folder string) (*processor.Response, clean.Counts) {
	t.Helper()
	server := sqstest.Start(t, sqstest.Config{DiscardBodies: true})
	_, err := server.AddQueue(queueTransactions, sqstest.QueueConfig{})
	require.NoError(t, err)
	c, err := newChain(settings(server.URL()), settings("http://127.0.0.1:1"), memory.New(), zap.NewNop()) // no table is needed
	require.NoError(t, err)
	report, counts, err := c.load(t.Context(), folder)
	require.NoError(t, err)
	return report, counts
}
