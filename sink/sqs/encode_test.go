package sqs

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// FuzzAppendString holds the encoder against encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "x", "1234567", "12345678", "123456789", "\"", "\\", "\n\r\t\x00\x1f\x7f", "é漢😀\u2028", "1234567\"", "\"1234567", "\xff", "1234567\xff", "\xed\xa0\x80", strings.Repeat("\x01", 100)} {
		f.Add(s, 0)
	}
	f.Fuzz(func(t *testing.T, s string, room int) {
		prefix := make([]byte, 3, 3+max(0, room%1000))
		copy(prefix, "abc")
		out, valid := appendString(prefix, s)
		require.Equal(t, utf8.ValidString(s), valid)
		require.Equal(t, "abc", string(out[:3]))
		if !valid {
			return
		}
		var back string
		require.NoError(t, json.Unmarshal(out[3:], &back), "%q", out)
		require.Equal(t, s, back)
	})
}

func TestRequestsAreTheSameJSONAsTheSDKs(t *testing.T) {
	in := &awssqs.SendMessageBatchInput{
		QueueUrl: aws.String("http://host/1/a\"b"),
		Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("0"), MessageBody: aws.String("a\"\\\n\u2028")},
			{Id: aws.String("1"), MessageBody: aws.String(""), DelaySeconds: -3, MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d"),
				MessageAttributes: map[string]types.MessageAttributeValue{
					"n": {DataType: aws.String("Number"), StringValue: aws.String("1")},
					"s": {DataType: aws.String("String"), StringValue: aws.String("<\x01>")},
					"e": {DataType: aws.String("String")},
				}},
			{Id: aws.String("2"), MessageBody: aws.String("1"), MessageAttributes: map[string]types.MessageAttributeValue{}},
		},
	}
	ours, ok := appendBatch(nil, in)
	require.True(t, ok)
	require.JSONEq(t, string(sdkBody(t, in)), string(ours))
}

func TestWhatTheSinkNeverSendsIsLeftToTheSDK(t *testing.T) {
	attribute := func(a types.MessageAttributeValue) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: aws.String("0"), MessageBody: aws.String("1"), MessageAttributes: map[string]types.MessageAttributeValue{"a": a}}
	}
	for name, e := range map[string]types.SendMessageBatchRequestEntry{
		"not UTF-8":         {Id: aws.String("0"), MessageBody: aws.String("\xff")},
		"system attributes": {Id: aws.String("0"), MessageBody: aws.String("1"), MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{}},
		"binary":            attribute(types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: []byte{}}),
		"binary list":       attribute(types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryListValues: [][]byte{}}),
		"string list":       attribute(types.MessageAttributeValue{DataType: aws.String("String"), StringListValues: []string{}}),
		"no type":           attribute(types.MessageAttributeValue{StringValue: aws.String("x")}),
		"no id":             {MessageBody: aws.String("1")},
	} {
		_, ok := appendBatch(nil, &awssqs.SendMessageBatchInput{QueueUrl: aws.String("u"), Entries: []types.SendMessageBatchRequestEntry{e}})
		require.False(t, ok, name)
	}
}
