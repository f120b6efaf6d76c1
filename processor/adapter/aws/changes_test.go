package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/fault"
)

func newChanges(t *testing.T, cfg aws.ChangesConfig) *aws.Changes {
	t.Helper()
	h, err := aws.NewChanges(cfg)
	require.NoError(t, err)
	return h
}

func TestAChangeIsPlainJSONWithAllItsDigits(t *testing.T) {
	s := newScene(t)
	h := newChanges(t, aws.ChangesConfig{Config: s.config()})
	out, err := invoke(t, h.Handle, json.RawMessage(golden(t, "dynamodb")))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
	assert.Equal(t, []string{
		`{"eventID":"1","eventName":"INSERT","sequenceNumber":"100000000000000000000111","approximateCreationDateTime":1.76733E9,"keys":{"Id":101},` +
			`"newImage":{"Message":"New item! <&> \"ü\" \u2028","Id":101,"Exact":12345678901234567890.12345678901234567,"Small":-1E-130,"Raw":"AAEqQQ=="}}`,
		`{"eventID":"2","eventName":"MODIFY","sequenceNumber":"100000000000000000000222","approximateCreationDateTime":1767330001,"keys":{"Id":101},` +
			`"newImage":{"Id":101,"Names":["b","a"],"Numbers":[1.50,2],"Blobs":["AA==","AQ=="],"Deep":{"list":["x",{},[],0]},"Flag":true},"oldImage":{"Id":101,"Flag":false,"None":null}}`,
		`{"eventID":"3","eventName":"REMOVE","sequenceNumber":"100000000000000000000333","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"keys":{"Id":101},"oldImage":{"Id":101}}`,
	}, s.processed())
	assert.EqualValues(t, 3, s.report.Received)
}

// stream is an event of changes with the sequence numbers 0, 1 and so on.
func stream(n int) json.RawMessage {
	var records []string
	for i := range n {
		records = append(records, fmt.Sprintf(`{"eventName":"INSERT","eventSourceARN":"arn:aws:dynamodb:us-west-2:123456789012:table/orders/stream/2026-01-02T03:04:05.678","dynamodb":{"Keys":{"id":{"N":"%d"}},"SequenceNumber":"%d"}}`, i, i))
	}
	return json.RawMessage(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func TestFromTheFirstChunkThatFailsOnEverythingComesAgain(t *testing.T) {
	var seen []string
	h := newChanges(t, aws.ChangesConfig{Chunk: 3, Config: aws.Config{Service: service(func(_ context.Context, req *processor.Request) error {
		seen = append(seen, req.SourceURL)
		if strings.HasSuffix(req.SourceURL, "/6") {
			return errUnread
		}
		return nil
	})}})
	out, err := invoke(t, h.Handle, stream(11))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"6"}]}`, out)
	assert.Equal(t, []string{"dynamodb://us-west-2/123456789012/orders/0", "dynamodb://us-west-2/123456789012/orders/3", "dynamodb://us-west-2/123456789012/orders/6"}, seen)
	_, err = invoke(t, newChanges(t, aws.ChangesConfig{Config: aws.Config{Service: service(func(context.Context, *processor.Request) error { return errUnread })}}).Handle, stream(2))
	require.ErrorContains(t, err, "none of 2 changes is settled")
}

// A change that fails by itself is in a destination: it does not hold up its shard.
func TestAChangeThatFailsDoesNotHoldUpItsShard(t *testing.T) {
	s := newScene(t)
	s.process(func(_ context.Context, line string) error {
		if strings.Contains(line, `"id":1}`) {
			return fault.Corrupt(errors.New("no"))
		}
		return nil
	})
	out, err := invoke(t, newChanges(t, aws.ChangesConfig{Config: s.config(), Chunk: 2}).Handle, stream(5))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
	assert.Len(t, s.kept("corrupt"), 1)
	assert.Len(t, s.processed(), 4)
}

func TestAnEventThatIsNoStreamIsAnError(t *testing.T) {
	var calls int
	h := newChanges(t, aws.ChangesConfig{Config: aws.Config{Service: service(func(context.Context, *processor.Request) error { calls++; return nil })}})
	for _, event := range []string{`{}`, `[]`, `null`, `{"Records":[]}`, `{"Records":[{}]}`, `{"Records":[{"dynamodb":{"SequenceNumber":"1"}},{"dynamodb":{}}]}`, string(raw(t, batch("a")))} {
		_, err := invoke(t, h.Handle, json.RawMessage(event))
		require.Error(t, err, event)
	}
	assert.Zero(t, calls)
}

func TestAttributesThatAreNoneAreNotSettled(t *testing.T) {
	for _, attribute := range []string{
		`{"N":"1e"}`, `{"N":"secret"}`, `{"N":" 1"}`, `{"N":"1 "}`, `{"N":""}`, `{"N":"1,2"}`, `{"N":1}`, `{"N":"NaN"}`, `{"N":"0x1"}`, `{"S":1}`, `{"BOOL":"true"}`, `{"SS":"a"}`, `{"SS":[1]}`, `{"BS":[{}]}`,
		`{"X":"secret"}`, `{}`, `"secret"`, `[]`, `null`, `{"S":"a","N":"1"}`, `{"L":["a"]}`, `{"M":[]}`, `{"NULL":1}`,
		strings.Repeat(`{"L":[`, 100) + strings.Repeat(`]}`, 100),
	} {
		h := newChanges(t, aws.ChangesConfig{Config: aws.Config{Service: service(func(context.Context, *processor.Request) error { return nil })}})
		_, err := invoke(t, h.Handle, json.RawMessage(`{"Records":[{"dynamodb":{"SequenceNumber":"1","NewImage":{"a":`+attribute+`}}}]}`))
		require.ErrorContains(t, err, "change 1: NewImage", attribute)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestMistakesOfChanges(t *testing.T) {
	_, err := aws.NewChanges(aws.ChangesConfig{Chunk: -1})
	require.ErrorContains(t, err, "Config.Service")
	require.ErrorContains(t, err, "Config.Chunk")
}
