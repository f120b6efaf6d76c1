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
	c := newChain(settings(server.URL()), settings("http://127.0.0.1:1"), memory.New(), zap.NewNop()) // no table is needed
	report, counts, err := c.load(t.Context(), folder)
	require.NoError(t, err)
	return report, counts
}
