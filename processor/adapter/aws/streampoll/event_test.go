package streampoll

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const testARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-02T03:04:05.678"

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue  { return &types.AttributeValueMemberN{Value: s} }

// Every member, every type of attribute, and what JSON has to escape.
func TestAnEventIsAsLambdaDeliversIt(t *testing.T) {
	at := time.Unix(1479499740, 0)
	changes := []types.Record{
		{
			EventID: awssdk.String("c4ca"), EventName: types.OperationTypeModify, EventVersion: awssdk.String("1.1"), EventSource: awssdk.String("aws:dynamodb"), AwsRegion: awssdk.String("us-east-1"),
			Dynamodb: &types.StreamRecord{
				ApproximateCreationDateTime: &at, SequenceNumber: awssdk.String("111"), SizeBytes: awssdk.Int64(26), StreamViewType: types.StreamViewTypeNewAndOldImages,
				Keys: map[string]types.AttributeValue{"Id": num("101")},
				NewImage: map[string]types.AttributeValue{
					"text":    text("New <item> & \"quote\" \\ \n\x01 é 𝄞 \u2028"),
					"number":  num("-1.2345678901234567890123456789012345678E+125"),
					"binary":  &types.AttributeValueMemberB{Value: []byte{0, 1, 255}},
					"none":    &types.AttributeValueMemberB{Value: []byte{}},
					"yes":     &types.AttributeValueMemberBOOL{Value: true},
					"no":      &types.AttributeValueMemberBOOL{Value: false},
					"null":    &types.AttributeValueMemberNULL{Value: true},
					"texts":   &types.AttributeValueMemberSS{Value: []string{"b", "a\""}},
					"numbers": &types.AttributeValueMemberNS{Value: []string{"1.50", "2"}},
					"blobs":   &types.AttributeValueMemberBS{Value: [][]byte{{0}, {1}}},
					"a \"k\"": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
						"list":  &types.AttributeValueMemberL{Value: []types.AttributeValue{text(""), &types.AttributeValueMemberM{}, &types.AttributeValueMemberL{}, num("0")}},
						"other": text("x"),
					}},
				},
				OldImage: map[string]types.AttributeValue{},
			},
		},
		{
			EventID: awssdk.String("c81e"), EventName: types.OperationTypeRemove, EventVersion: awssdk.String("1.1"), AwsRegion: awssdk.String("us-east-1"),
			UserIdentity: &types.Identity{Type: awssdk.String("Service"), PrincipalId: awssdk.String("dynamodb.amazonaws.com")},
			Dynamodb:     &types.StreamRecord{SequenceNumber: awssdk.String("222"), Keys: map[string]types.AttributeValue{"Id": num("101")}, StreamViewType: types.StreamViewTypeKeysOnly},
		},
	}
	event, err := appendEvent(nil, testARN, changes)
	require.NoError(t, err)
	assert.Equal(t, `{"Records":[`+
		`{"eventID":"c4ca","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":1479499740,"Keys":{"Id":{"N":"101"}},`+
		`"NewImage":{"a \"k\"":{"M":{"list":{"L":[{"S":""},{"M":{}},{"L":[]},{"N":"0"}]},"other":{"S":"x"}}},"binary":{"B":"AAH/"},"blobs":{"BS":["AA==","AQ=="]},"no":{"BOOL":false},"none":{"B":""},"null":{"NULL":true},`+
		`"number":{"N":"-1.2345678901234567890123456789012345678E+125"},"numbers":{"NS":["1.50","2"]},"text":{"S":"New <item> & \"quote\" \\ \n\u0001 é 𝄞 `+"\u2028"+`"},"texts":{"SS":["b","a\""]},"yes":{"BOOL":true}},`+
		`"OldImage":{},"SequenceNumber":"111","SizeBytes":26,"StreamViewType":"NEW_AND_OLD_IMAGES"},"eventSourceARN":"`+testARN+`"},`+
		`{"eventID":"c81e","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"dynamodb":{"Keys":{"Id":{"N":"101"}},`+
		`"SequenceNumber":"222","SizeBytes":0,"StreamViewType":"KEYS_ONLY"},"eventSourceARN":"`+testARN+`"}]}`, string(event))

	var got events.DynamoDBEvent // what a function has it read into
	require.NoError(t, json.Unmarshal(event, &got))
	require.Len(t, got.Records, 2)
	c := got.Records[0]
	assert.Equal(t, "MODIFY", c.EventName)
	assert.Equal(t, testARN, c.EventSourceArn)
	assert.Equal(t, at.UTC(), c.Change.ApproximateCreationDateTime.UTC())
	assert.Equal(t, "New <item> & \"quote\" \\ \n\x01 é 𝄞 \u2028", c.Change.NewImage["text"].String())
	assert.Equal(t, []byte{0, 1, 255}, c.Change.NewImage["binary"].Binary())
	assert.Equal(t, [][]byte{{0}, {1}}, c.Change.NewImage["blobs"].BinarySet())
	assert.True(t, c.Change.NewImage["null"].IsNull())
	assert.Equal(t, "Service", got.Records[1].UserIdentity.Type)
}

func TestFractionsOfASecond(t *testing.T) {
	for ms, want := range map[int64]string{1479499740123: "1479499740.123", 1479499740007: "1479499740.007", 1479499740000: "1479499740", 0: "0", -1000: "-1", -1500: "-2"} {
		assert.Equal(t, want, string(appendTime(nil, time.UnixMilli(ms))))
	}
}

func TestAnAttributeThatIsNotKnownIsAnError(t *testing.T) {
	for _, value := range []types.AttributeValue{nil, &types.UnknownUnionMember{Tag: "X"}} {
		for _, in := range []types.AttributeValue{value, &types.AttributeValueMemberL{Value: []types.AttributeValue{value}}, &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"a": value}}} {
			_, err := appendEvent(nil, testARN, []types.Record{{Dynamodb: &types.StreamRecord{Keys: map[string]types.AttributeValue{"a": in}}}})
			require.ErrorIs(t, err, errAttribute)
		}
	}
}

// model is what encoding/json makes of an attribute.
func model(a types.AttributeValue) map[string]any {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": a.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": a.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": base64.StdEncoding.EncodeToString(a.Value)}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": a.Value}
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": a.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": a.Value}
	case *types.AttributeValueMemberL:
		list := []any{}
		for _, e := range a.Value {
			list = append(list, model(e))
		}
		return map[string]any{"L": list}
	case *types.AttributeValueMemberM:
		members := map[string]any{}
		for name, e := range a.Value {
			members[name] = model(e)
		}
		return map[string]any{"M": members}
	}
	panic(fmt.Sprintf("%T", a))
}

func attributes(depth int) *rapid.Generator[types.AttributeValue] {
	return rapid.Custom(func(t *rapid.T) types.AttributeValue {
		kinds := 6
		if depth > 0 {
			kinds = 8
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return text(rapid.String().Draw(t, "text"))
		case 1:
			return num(fmt.Sprint(rapid.Int64().Draw(t, "number")))
		case 2:
			return &types.AttributeValueMemberB{Value: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")}
		case 3:
			return &types.AttributeValueMemberBOOL{Value: rapid.Bool().Draw(t, "bool")}
		case 4:
			return &types.AttributeValueMemberNULL{Value: true}
		case 5:
			return &types.AttributeValueMemberSS{Value: rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "set")}
		case 6:
			return &types.AttributeValueMemberL{Value: rapid.SliceOfN(attributes(depth-1), 0, 4).Draw(t, "list")}
		default:
			return &types.AttributeValueMemberM{Value: rapid.MapOfN(rapid.String(), attributes(depth-1), 0, 4).Draw(t, "map")}
		}
	})
}

func TestAttributesAreThoseOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := attributes(3).Draw(t, "attribute")
		got, err := appendAttribute(nil, a)
		require.NoError(t, err)
		want, err := json.Marshal(model(a))
		require.NoError(t, err)
		assert.JSONEq(t, string(want), string(got))
		again, err := appendAttribute(nil, a)
		require.NoError(t, err)
		assert.Equal(t, string(got), string(again), "the same text each time")
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	at := time.Unix(1479499740, 0)
	image := map[string]types.AttributeValue{}
	for i := range 16 {
		image[fmt.Sprintf("column%02d", i)] = text("some text of a usual length")
	}
	changes := make([]types.Record, 100)
	for i := range changes {
		changes[i] = types.Record{
			EventID: awssdk.String("c4ca"), EventName: types.OperationTypeInsert, EventVersion: awssdk.String("1.1"), AwsRegion: awssdk.String("us-east-1"),
			Dynamodb: &types.StreamRecord{ApproximateCreationDateTime: &at, SequenceNumber: awssdk.String("111"), SizeBytes: awssdk.Int64(26), Keys: map[string]types.AttributeValue{"id": num("101")}, NewImage: image},
		}
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = appendEvent(dst[:0], testARN, changes)
	}
	b.SetBytes(int64(len(dst)))
}
