package dynamodb

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// update is the request that sets the attributes of item on the item of its key.
func (s *Sink) update(key []keyAttribute, item Item) *awsdynamodb.UpdateItemInput {
	in := &awsdynamodb.UpdateItemInput{
		TableName: &s.cfg.Table, Key: Item{},
		ConditionExpression: &present, ExpressionAttributeNames: map[string]string{"#key": key[0].name},
	}
	for _, a := range key {
		in.Key[a.name] = item[a.name]
	}
	var set strings.Builder // as short as it can be: 4 KB are the most
	for _, name := range slices.Sorted(maps.Keys(item)) {
		if _, isKey := in.Key[name]; isKey {
			continue
		}
		n := strconv.FormatInt(int64(len(in.ExpressionAttributeValues)), 36)
		if in.ExpressionAttributeValues == nil {
			in.ExpressionAttributeValues = map[string]types.AttributeValue{}
			set.WriteString("SET ")
		} else {
			set.WriteByte(',')
		}
		set.WriteString("#" + n + "=:" + n)
		in.ExpressionAttributeNames["#"+n] = name
		in.ExpressionAttributeValues[":"+n] = item[name]
	}
	if set.Len() > 0 {
		expression := set.String()
		in.UpdateExpression = &expression
	}
	return in
}
