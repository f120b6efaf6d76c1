package streampoll

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// errAttribute is the error of a change that the SDK does not understand.
var errAttribute = errors.New("the change has an attribute of a type that is not known")

// appendEvent appends the event of a batch to dst, in the form in which Lambda
// delivers it. Members of items are in the order of their names: a batch that comes
// again is the same text.
func appendEvent(dst []byte, stream string, changes []types.Record) (_ []byte, err error) {
	dst = append(dst, `{"Records":[`...)
	for i := range changes {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendChange(dst, stream, &changes[i]); err != nil {
			return dst, err
		}
	}
	return append(dst, `]}`...), nil
}

func appendChange(dst []byte, stream string, c *types.Record) (_ []byte, err error) {
	dst = append(dst, `{"eventID":`...)
	dst = appendText(dst, awssdk.ToString(c.EventID))
	dst = append(dst, `,"eventName":`...)
	dst = appendText(dst, string(c.EventName))
	dst = append(dst, `,"eventVersion":`...)
	dst = appendText(dst, awssdk.ToString(c.EventVersion))
	dst = append(dst, `,"eventSource":"aws:dynamodb","awsRegion":`...)
	dst = appendText(dst, awssdk.ToString(c.AwsRegion))
	if u := c.UserIdentity; u != nil {
		dst = append(dst, `,"userIdentity":{"type":`...)
		dst = appendText(dst, awssdk.ToString(u.Type))
		dst = append(dst, `,"principalId":`...)
		dst = appendText(dst, awssdk.ToString(u.PrincipalId))
		dst = append(dst, '}')
	}
	dst = append(dst, `,"dynamodb":{`...)
	d := c.Dynamodb
	if d.ApproximateCreationDateTime != nil {
		dst = append(dst, `"ApproximateCreationDateTime":`...)
		dst = appendTime(dst, *d.ApproximateCreationDateTime)
		dst = append(dst, ',')
	}
	for _, image := range []struct {
		name string
		item map[string]types.AttributeValue
	}{{`"Keys":`, d.Keys}, {`"NewImage":`, d.NewImage}, {`"OldImage":`, d.OldImage}} {
		if image.item == nil {
			continue
		}
		dst = append(dst, image.name...)
		if dst, err = appendItem(dst, image.item); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	dst = append(dst, `"SequenceNumber":`...)
	dst = appendText(dst, awssdk.ToString(d.SequenceNumber))
	dst = append(dst, `,"SizeBytes":`...)
	dst = strconv.AppendInt(dst, awssdk.ToInt64(d.SizeBytes), 10)
	dst = append(dst, `,"StreamViewType":`...)
	dst = appendText(dst, string(d.StreamViewType))
	dst = append(dst, `},"eventSourceARN":`...)
	dst = appendText(dst, stream)
	return append(dst, '}'), nil
}

// appendTime appends a time in seconds: what DynamoDB tells has no fraction of them,
// what others tell may have some.
func appendTime(dst []byte, t time.Time) []byte {
	dst = strconv.AppendInt(dst, t.Unix(), 10)
	if ms := t.Nanosecond() / int(time.Millisecond); ms > 0 && t.Unix() >= 0 {
		dst = append(dst, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10))
	}
	return dst
}

func appendItem(dst []byte, item map[string]types.AttributeValue) (_ []byte, err error) {
	names := make([]string, 0, len(item))
	for name := range item {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, name), ':')
		if dst, err = appendAttribute(dst, item[name]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendAttribute appends one value, with its type. DynamoDB nests no deeper than 32.
func appendAttribute(dst []byte, a types.AttributeValue) (_ []byte, err error) {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		dst = appendText(append(dst, `{"S":`...), a.Value)
	case *types.AttributeValueMemberN:
		dst = appendText(append(dst, `{"N":`...), a.Value)
	case *types.AttributeValueMemberB:
		dst = appendBinary(append(dst, `{"B":`...), a.Value)
	case *types.AttributeValueMemberBOOL:
		dst = strconv.AppendBool(append(dst, `{"BOOL":`...), a.Value)
	case *types.AttributeValueMemberNULL:
		dst = strconv.AppendBool(append(dst, `{"NULL":`...), a.Value)
	case *types.AttributeValueMemberSS:
		dst = appendSet(append(dst, `{"SS":`...), a.Value, appendText)
	case *types.AttributeValueMemberNS:
		dst = appendSet(append(dst, `{"NS":`...), a.Value, appendText)
	case *types.AttributeValueMemberBS:
		dst = appendSet(append(dst, `{"BS":`...), a.Value, appendBinary)
	case *types.AttributeValueMemberM:
		dst, err = appendItem(append(dst, `{"M":`...), a.Value)
	case *types.AttributeValueMemberL:
		dst = append(dst, `{"L":[`...)
		for i, element := range a.Value {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendAttribute(dst, element); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ']')
	default:
		return dst, errAttribute
	}
	return append(dst, '}'), err
}

func appendSet[T any](dst []byte, set []T, one func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, element := range set {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, element)
	}
	return append(dst, ']')
}

// appendText appends a JSON string. Texts of DynamoDB are UTF-8: its client has read
// them from JSON, or they come from a stand-in.
func appendText(dst []byte, s string) []byte {
	return jsonscan.AppendString(dst, strings.ToValidUTF8(s, "\ufffd"))
}

func appendBinary(dst []byte, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
