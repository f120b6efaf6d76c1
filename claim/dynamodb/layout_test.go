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

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
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
	store := open(t, api, table)
	entries, err := store.Inspect(ctx, []string{"2026/a.json", "2026/b.json", "\x00retry/c-retry01"})
	require.NoError(t, err)
	require.Equal(t, []claim.Entry{
		{
			Key: "2026/a.json", State: claim.Processing, Owner: "host/1", Attempt: 2, Progress: `{"o":4096}`,
			ClaimedAt: time.UnixMilli(1790000000000), Expires: time.UnixMilli(4102444800000),
		},
		{
			Key: "2026/b.json", Owner: "host/2", Attempt: 3, Progress: `{"o":8192}`, Reason: "read cut short",
			ClaimedAt: time.UnixMilli(1790000001000),
		},
		{
			Key: "\x00retry/c-retry01", State: claim.Finished, Owner: "host/3", Attempt: 1,
			ClaimedAt: time.UnixMilli(1790000002000), DoneAt: time.UnixMilli(1790000003000),
		},
	}, entries)
	counts, err := store.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, claim.Counts{Processing: 1, Waiting: 1, Finished: 1}, counts)

	results, err := store.Claim(ctx, "new/1", "nonce", []string{"2026/a.json", "2026/b.json", "\x00retry/c-retry01"}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []claim.Status{claim.Held, claim.Granted, claim.Done}, []claim.Status{results[0].Status, results[1].Status, results[2].Status})
	require.Equal(t, 4, results[1].Lease.Attempt)
	require.Equal(t, `{"o":8192}`, results[1].Lease.Progress)
	held := claim.Lease{Key: "2026/a.json", Token: "TOKEN1", Progress: `{"o":5000}`}
	require.NoError(t, store.Extend(ctx, []claim.Lease{held}, time.Minute))
	require.NoError(t, store.Complete(ctx, []claim.Lease{held, results[1].Lease}))
	require.NoError(t, store.Forget(ctx, []string{"2026/a.json", "2026/b.json", "\x00retry/c-retry01"}))
	counts, err = store.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, claim.Counts{}, counts)
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
		l := claim.Lease{Key: key, Token: string(item["t"].(*types.AttributeValueMemberB).Value)}
		list := func(entries func(func(claim.Entry, error) bool)) (err error) {
			for _, e := range entries {
				err = e
			}
			return err
		}
		for range 2 { // with a read before, and without
			_, claimed := store.Claim(ctx, "old/1", "nonce-1", []string{key}, time.Minute)
			_, inspected := store.Inspect(ctx, []string{key})
			_, counted := store.Count(ctx)
			for op, err := range map[string]error{
				"claim": claimed, "inspect": inspected, "count": counted,
				"extend":    store.Extend(ctx, []claim.Lease{l}, time.Minute),
				"complete":  store.Complete(ctx, []claim.Lease{l}),
				"release":   store.Release(ctx, []claim.Return{{Lease: l}}),
				"forget":    store.Forget(ctx, []string{key}),
				"expired":   list(store.Expired(ctx, 0)),
				"completed": list(store.Completed(ctx)),
			} {
				require.ErrorContains(t, err, "has layout 2, and this version reads layout 1", "%s: %s", name, op)
				require.Equal(t, fault.ClassFatal, fault.Of(err), "%s: %s", name, op)
			}
			_, err := store.Claim(ctx, "old/1", "other", []string{"free"}, time.Minute) // the next does not read first
			require.NoError(t, err)
		}
		out, err := api.GetItem(ctx, &awsdynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{"k": item["k"]}})
		require.NoError(t, err)
		require.Equal(t, item, out.Item, name)
	}
}
