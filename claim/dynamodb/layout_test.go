package dynamodb_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/internal/storetest"
)

// stored are the items of testdata/layout1.json, by name: as the first release
// wrote them, so that every later one still understands them. They are never
// changed.
func stored(t *testing.T) map[string]map[string]types.AttributeValue {
	t.Helper()
	text, err := os.ReadFile("testdata/layout1.json")
	require.NoError(t, err)
	var raw map[string]map[string]struct{ B, S, N *string }
	require.NoError(t, json.Unmarshal(text, &raw))
	items := make(map[string]map[string]types.AttributeValue)
	for name, attrs := range raw {
		item := make(map[string]types.AttributeValue)
		for attr, v := range attrs {
			switch {
			case v.B != nil:
				value, err := base64.StdEncoding.DecodeString(*v.B)
				require.NoError(t, err)
				item[attr] = &types.AttributeValueMemberB{Value: value}
			case v.S != nil:
				item[attr] = &types.AttributeValueMemberS{Value: *v.S}
			default:
				item[attr] = &types.AttributeValueMemberN{Value: *v.N}
			}
		}
		items[name] = item
	}
	return items
}

// put stores an item as it is.
func put(ctx context.Context, t *testing.T, api *awsdynamodb.Client, table string, item map[string]types.AttributeValue) {
	t.Helper()
	_, err := api.PutItem(ctx, &awsdynamodb.PutItemInput{TableName: &table, Item: item})
	require.NoError(t, err)
}

// setLayout marks the item of a key as one of another layout.
func setLayout(t testing.TB, api *awsdynamodb.Client, table, key, layout string) {
	t.Helper()
	_, err := api.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
		TableName:                 &table,
		Key:                       map[string]types.AttributeValue{"k": &types.AttributeValueMemberB{Value: []byte(key)}},
		UpdateExpression:          aws.String("SET v = :layout"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":layout": &types.AttributeValueMemberN{Value: layout}},
	})
	require.NoError(t, err)
}

// What is stored goes on with a later version of the worker where it stood.
func testStoredItemsAreUnderstood(t *testing.T, s *server) {
	ctx, api, table := t.Context(), s.client(t, direct), s.table(t)
	for _, item := range stored(t) {
		put(ctx, t, api, table, item)
	}
	storetest.Understood(t, open(t, api, table))
}

// An item of a later layout is refused by every step, with an error that says
// why, and is left as it is.
func testLaterLayoutsAreRefused(t *testing.T, s *server) {
	ctx, api := t.Context(), s.client(t, direct)
	for name, item := range stored(t) {
		table := s.table(t)
		item["v"] = &types.AttributeValueMemberN{Value: "2"}
		if name == "released" { // which would be granted, if it were understood like that
			delete(item, "x")
		}
		put(ctx, t, api, table, item)
		store := open(t, api, table)
		key := string(item["k"].(*types.AttributeValueMemberB).Value)
		token := string(item["t"].(*types.AttributeValueMemberB).Value)
		for range 2 { // with a read before, and without
			storetest.Refused(t, store, key, token, "has layout 2, and this version reads layout 1")
			_, err := store.Claim(ctx, "old/1", "other", []string{"free"}, time.Minute) // the next does not read first
			require.NoError(t, err)
		}
		out, err := api.GetItem(ctx, &awsdynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{"k": item["k"]}})
		require.NoError(t, err)
		require.Equal(t, item, out.Item, name)
	}
}
