package sqsstore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/sqsstore"
)

func TestCommitSendsEachRecord(t *testing.T) {
	server, client := newServer(t, "retry")
	register(t, client, sqsstore.Config{})
	store := open(t, "sqs://retry")
	part, err := store.Create(t.Context(), "in/a.csv", 2)
	require.NoError(t, err)
	_, err = part.Write(lines(0, 25))
	require.NoError(t, err)
	assert.Empty(t, server.Messages("retry"), "nothing before the commit")
	_, err = part.Commit(t.Context())
	require.NoError(t, err)
	got := server.Messages("retry")
	require.Len(t, got, 25)
	assert.Equal(t, 3, server.Calls("SendMessageBatch"))
	for _, m := range got[:2] {
		t.Logf("%+v", m)
	}
}
