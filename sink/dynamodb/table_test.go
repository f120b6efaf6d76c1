package dynamodb

import (
	"context"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// table is an API with a table in memory, whose key is the text "id".
type table struct {
	mu    sync.Mutex
	items map[string]Item
	calls map[string]int
	order []string // keys as they were put

	fail      func(op string) error // asked before each call
	leave     func(key string) bool // is left unprocessed
	refuse    func(item Item) bool  // is no valid item
	more      []types.WriteRequest  // are left unprocessed, too
	describes *types.TableDescription
}

func newTable() *table {
	return &table{
		items: map[string]Item{}, calls: map[string]int{},
		describes: &types.TableDescription{
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		},
	}
}

func (t *table) begin(op string) error {
	t.calls[op]++
	if t.fail != nil {
		return t.fail(op)
	}
	return nil
}

func invalid() error {
	return &smithy.GenericAPIError{Code: "com.amazon.coral.validate#ValidationException", Message: "One or more parameter values were invalid"}
}

func (t *table) DescribeTable(context.Context, *awsdynamodb.DescribeTableInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.DescribeTableOutput, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.begin("DescribeTable"); err != nil {
		return nil, err
	}
	return &awsdynamodb.DescribeTableOutput{Table: t.describes}, nil
}

func (t *table) put(item Item) {
	key := item["id"].(*types.AttributeValueMemberS).Value
	t.items[key] = item
	t.order = append(t.order, key)
}

func (t *table) PutItem(_ context.Context, in *awsdynamodb.PutItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.begin("PutItem"); err != nil {
		return nil, err
	}
	if t.refuse != nil && t.refuse(in.Item) {
		return nil, invalid()
	}
	if key := in.Item["id"].(*types.AttributeValueMemberS).Value; t.leave != nil && t.leave(key) {
		return nil, &types.ProvisionedThroughputExceededException{}
	}
	_, exists := t.items[in.Item["id"].(*types.AttributeValueMemberS).Value]
	if aws.ToString(in.ConditionExpression) == "attribute_not_exists(#key)" && in.ExpressionAttributeNames["#key"] == "id" && exists {
		return nil, &types.ConditionalCheckFailedException{}
	}
	t.put(in.Item)
	return &awsdynamodb.PutItemOutput{}, nil
}

// UpdateItem knows the expressions of the sink, and no others.
func (t *table) UpdateItem(_ context.Context, in *awsdynamodb.UpdateItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.begin("UpdateItem"); err != nil {
		return nil, err
	}
	key := in.Key["id"].(*types.AttributeValueMemberS).Value
	item, exists := t.items[key]
	switch {
	case t.leave != nil && t.leave(key):
		return nil, &types.ProvisionedThroughputExceededException{}
	case t.refuse != nil && t.refuse(in.Key):
		return nil, invalid()
	case aws.ToString(in.ConditionExpression) != "attribute_exists(#key)" || in.ExpressionAttributeNames["#key"] != "id":
		return nil, invalid()
	case !exists:
		return nil, &types.ConditionalCheckFailedException{}
	}
	for placeholder, name := range in.ExpressionAttributeNames {
		if name == "id" && placeholder != "#key" { // a key is not updated
			return nil, invalid()
		}
	}
	item = maps.Clone(item)
	if set, ok := strings.CutPrefix(aws.ToString(in.UpdateExpression), "SET "); ok {
		for term := range strings.SplitSeq(set, ",") {
			name, value, _ := strings.Cut(term, "=")
			item[in.ExpressionAttributeNames[name]] = in.ExpressionAttributeValues[value]
		}
	}
	t.items[key] = item
	t.order = append(t.order, key)
	return &awsdynamodb.UpdateItemOutput{}, nil
}

func (t *table) BatchWriteItem(_ context.Context, in *awsdynamodb.BatchWriteItemInput, _ ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchWriteItemOutput, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.begin("BatchWriteItem"); err != nil {
		return nil, err
	}
	requests := in.RequestItems["table"]
	seen := map[string]bool{}
	for _, r := range requests {
		key := r.PutRequest.Item["id"].(*types.AttributeValueMemberS).Value
		if seen[key] || len(requests) > 25 || t.refuse != nil && t.refuse(r.PutRequest.Item) {
			return nil, invalid()
		}
		seen[key] = true
	}
	out := &awsdynamodb.BatchWriteItemOutput{UnprocessedItems: map[string][]types.WriteRequest{"arn:table": t.more}}
	for _, i := range rand.Perm(len(requests)) {
		r := requests[i]
		if t.leave != nil && t.leave(r.PutRequest.Item["id"].(*types.AttributeValueMemberS).Value) {
			out.UnprocessedItems["arn:table"] = append(out.UnprocessedItems["arn:table"], r)
			continue
		}
		t.put(r.PutRequest.Item)
	}
	return out, nil
}
