package sqstest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// authorization is a well-formed SigV4 header. Its signature is not checked.
var authorization = "AWS4-HMAC-SHA256 Credential=key/20261122/us-east-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=" + strings.Repeat("0", 64)

// post sends a request as it is on the wire, changed by the options.
func post(t *testing.T, url, operation, body string, with ...func(http.Header)) (*http.Response, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Date", "20261122T000000Z")
	req.Header.Set("Authorization", authorization)
	for _, f := range with {
		f(req.Header)
	}
	resp, err := newHTTP(t).Do(req)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out), "%s", raw)
	return resp, out
}

func TestErrorsLookAsOnTheWire(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	for _, c := range []struct {
		name, operation, body string
		status                int
		shape, code           string
	}{
		{"no such queue", "GetQueueUrl", `{"QueueName":"nobody"}`, 400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender"},
		{"empty batch", "SendMessageBatch", `{"QueueUrl":"` + queue + `","Entries":[]}`, 400, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest;Sender"},
		{"no entries", "SendMessageBatch", `{"QueueUrl":"` + queue + `"}`, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"no queue", "SendMessageBatch", `{"Entries":[]}`, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"entry without id", "SendMessageBatch", `{"QueueUrl":"` + queue + `","Entries":[{"MessageBody":"1"}]}`, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"not JSON", "SendMessageBatch", `{`, 400, "com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"not JSON either", "CreateQueue", `{`, 400, "com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"of another type", "SendMessage", `{"QueueUrl":1}`, 400, "com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"more after the end", "SendMessage", `{"QueueUrl":"` + queue + `","MessageBody":"1"} x`, 400, "com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"bytes that are not UTF-8", "SendMessage", `{"QueueUrl":"` + queue + `","MessageBody":"` + "\xff" + `"}`, 400, "com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"a lone surrogate", "SendMessage", `{"QueueUrl":"` + queue + `","MessageBody":"\ud800x"}`, 400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents;Sender"},
		{"attribute lists", "SendMessage", `{"QueueUrl":"` + queue + `","MessageBody":"1","MessageAttributes":{"a":{"DataType":"String","StringListValues":["x"]}}}`, 400, "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation;Sender"},
		{"unknown operation", "Fly", `{}`, 404, "com.amazon.coral.service#UnknownOperationException", "InvalidAction;Sender"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, out := post(t, srv.URL(), c.operation, c.body)
			assert.Equal(t, c.status, resp.StatusCode)
			assert.Equal(t, c.shape, out["__type"])
			assert.Equal(t, c.code, resp.Header.Get("X-Amzn-Query-Error"))
			assert.NotEmpty(t, out["message"])
			assert.NotEmpty(t, resp.Header.Get("X-Amzn-Requestid"))
		})
	}
	require.Empty(t, srv.Messages("jobs"))
}

func TestRequestsThatAreNotSignedAreRefused(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	change := func(name, old, new string) func(http.Header) {
		return func(h http.Header) { h.Set(name, strings.ReplaceAll(h.Get(name), old, new)) }
	}
	remove := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }
	for name, c := range map[string]struct {
		with func(http.Header)
		code string
	}{
		"as it should be":   {func(http.Header) {}, ""},
		"no header":         {remove("Authorization"), "MissingAuthenticationToken;Sender"},
		"no date":           {remove("X-Amz-Date"), "IncompleteSignature;Sender"},
		"short signature":   {change("Authorization", "0000", "000"), "IncompleteSignature;Sender"},
		"host not signed":   {change("Authorization", "host;", ""), "IncompleteSignature;Sender"},
		"another region":    {change("Authorization", "us-east-1", "eu-west-1"), "InvalidSignatureException;Sender"},
		"another service":   {change("Authorization", "/sqs/", "/sns/"), "InvalidSignatureException;Sender"},
		"another day":       {change("X-Amz-Date", "20261122", "20261121"), "InvalidSignatureException;Sender"},
		"no operation":      {remove("X-Amz-Target"), "InvalidAction;Sender"},
		"the old protocol":  {change("Content-Type", "x-amz-json-1.0", "x-www-form-urlencoded"), "InvalidAction;Sender"},
		"a foreign service": {change("X-Amz-Target", "AmazonSQS", "AmazonSNS"), "InvalidAction;Sender"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, _ := post(t, srv.URL(), "ListQueues", "{}", c.with)
			require.Equal(t, c.code, resp.Header.Get("X-Amzn-Query-Error"))
		})
	}
}

// The checksums were recorded from AWS.
func TestChecksumOfAttributes(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
	}
	for want, attributes := range map[string]map[string]types.MessageAttributeValue{
		"4c360f3fdafd970e05fae2f149d997f5": {"Help.Me": text("Me"), "Hello": text("There"), "General": text("Kenobi")},
		"8cbe4db156db8a94db8b801b7addb984": {"attr1": {DataType: aws.String("Binary"), BinaryValue: []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")}},
	} {
		out, err := client(t, srv.URL()).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("test"), MessageAttributes: attributes})
		require.NoError(t, err)
		require.Equal(t, want, *out.MD5OfMessageAttributes)
		require.Equal(t, "098f6bcd4621d373cade4e832627b4f6", *out.MD5OfMessageBody)
	}
	binary := srv.Messages("jobs")
	require.Len(t, binary, 2)
}

func TestBodyWithoutEnd(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL(), bytes.NewReader(make([]byte, 16<<20)))
	require.NoError(t, err)
	resp, err := newHTTP(t).Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	require.Error(t, err)
}
