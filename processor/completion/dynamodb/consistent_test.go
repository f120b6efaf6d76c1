package dynamodb_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/dynamodb"
)

// reading is an API that notes whether each read is consistent. No stand-in reads
// otherwise, and DynamoDB does unless it is asked for that.
type reading struct {
	dynamodb.API
	reads []bool
}

func (r *reading) GetItem(_ context.Context, in *awsdynamodb.GetItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.GetItemOutput, error) {
	r.reads = append(r.reads, aws.ToBool(in.ConsistentRead))
	return &awsdynamodb.GetItemOutput{}, nil
}

func (r *reading) BatchGetItem(_ context.Context, in *awsdynamodb.BatchGetItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchGetItemOutput, error) {
	for _, of := range in.RequestItems {
		r.reads = append(r.reads, aws.ToBool(of.ConsistentRead))
	}
	return &awsdynamodb.BatchGetItemOutput{}, nil
}

// A look sees all that was counted before it, and so does the search for what is missing.
func TestReadsAreConsistent(t *testing.T) {
	api := &reading{}
	store, err := dynamodb.New(api, dynamodb.Config{Table: "sets"})
	require.NoError(t, err)
	_, err = store.Look(t.Context(), completion.Set{Run: "a"})
	require.NoError(t, err)
	_, err = store.Missing(t.Context(), completion.Set{Run: "a"}, []string{"k"})
	require.NoError(t, err)
	assert.Equal(t, []bool{true, true}, api.reads)
}
