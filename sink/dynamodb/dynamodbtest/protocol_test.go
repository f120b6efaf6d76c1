package dynamodbtest_test

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// post sends a request as it is on the wire, changed by the options, and checks
// what goes for every answer.
func post(t *testing.T, url, target, body string, with ...func(http.Header)) (*http.Response, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Target", target)
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
	assert.Equal(t, "application/x-amz-json-1.0", resp.Header.Get("Content-Type"))
	assert.Equal(t, strconv.FormatUint(uint64(crc32.ChecksumIEEE(raw)), 10), resp.Header.Get("X-Amz-Crc32"))
	assert.Len(t, resp.Header.Get("X-Amzn-Requestid"), 52)
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out), "%s", raw)
	return resp, out
}

func TestErrorsLookAsOnTheWire(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	require.NoError(t, srv.AddTable("rows", dynamodbtest.TableConfig{PartitionKey: "p"}))
	const (
		tables  = "DynamoDB_20120810."
		streams = "DynamoDBStreams_20120810."
		put     = `{"TableName":"rows","Item":{"p":{"S":"a"}}}`
	)
	for _, c := range []struct {
		name, target, body string
		status             int
		kind               string
	}{
		{"no such table", tables + "PutItem", `{"TableName":"nobody","Item":{"p":{"S":"a"}}}`, 400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"},
		{"condition failed", tables + "PutItem", `{"TableName":"rows","Item":{"p":{"S":"a"}},"ConditionExpression":"attribute_exists(p)"}`, 400, "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"},
		{"cancelled", tables + "TransactWriteItems", `{"TransactItems":[{"ConditionCheck":{"TableName":"rows","Key":{"p":{"S":"a"}},"ConditionExpression":"attribute_exists(p)"}}]}`, 400, "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"},
		{"invalid", tables + "PutItem", `{"TableName":"rows"}`, 400, "com.amazon.coral.validate#ValidationException"},
		{"not JSON", tables + "PutItem", `{`, 400, "com.amazon.coral.service#SerializationException"},
		{"more after the end", tables + "PutItem", put + "x", 400, "com.amazon.coral.service#SerializationException"},
		{"of another type", tables + "PutItem", `{"TableName":1}`, 400, "com.amazon.coral.service#SerializationException"},
		{"bytes that are not UTF-8", tables + "PutItem", `{"TableName":"rows","Item":{"p":{"S":"` + "\xff" + `"}}}`, 400, "com.amazon.coral.service#SerializationException"},
		{"half a surrogate pair", tables + "PutItem", `{"TableName":"rows","Item":{"p":{"S":"\ud800x"}}}`, 400, "com.amazon.coral.service#SerializationException"},
		{"nested without end", tables + "PutItem", strings.Repeat(`{"a":`, 100_000), 400, "com.amazon.coral.service#SerializationException"},
		{"unknown operation", tables + "Fly", `{}`, 400, "com.amazon.coral.service#UnknownOperationException"},
		{"of the other service", tables + "GetRecords", `{}`, 400, "com.amazon.coral.service#UnknownOperationException"},
		{"a stream", streams + "DescribeStream", `{"StreamArn":"arn:aws:dynamodb:us-east-1:123456789012:table/x/stream/y"}`, 400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"},
		{"too large", tables + "PutItem", `{"TableName":"` + strings.Repeat("x", 16<<20) + `"}`, 413, "com.amazon.coral.service#RequestEntityTooLargeException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && len(c.body) > 1<<20 {
				t.Skip("long")
			}
			resp, out := post(t, srv.URL(), c.target, c.body)
			assert.Equal(t, c.status, resp.StatusCode)
			assert.Equal(t, c.kind, out["__type"])
		})
	}
	require.Empty(t, srv.Items("rows"))
}

func TestRequestsThatAreNotSignedAreRefused(t *testing.T) {
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	change := func(name, old, new string) func(http.Header) {
		return func(h http.Header) { h.Set(name, strings.ReplaceAll(h.Get(name), old, new)) }
	}
	remove := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }
	for name, c := range map[string]struct {
		with func(http.Header)
		code string
	}{
		"as it should be":  {func(http.Header) {}, ""},
		"no header":        {remove("Authorization"), "MissingAuthenticationTokenException"},
		"no date":          {remove("X-Amz-Date"), "IncompleteSignatureException"},
		"short signature":  {change("Authorization", "0000", "000"), "IncompleteSignatureException"},
		"host not signed":  {change("Authorization", "host;", ""), "IncompleteSignatureException"},
		"another region":   {change("Authorization", "us-east-1", "eu-west-1"), "InvalidSignatureException"},
		"another service":  {change("Authorization", "/dynamodb/", "/sqs/"), "InvalidSignatureException"},
		"another day":      {change("X-Amz-Date", "20261122", "20261121"), "InvalidSignatureException"},
		"no operation":     {remove("X-Amz-Target"), "UnknownOperationException"},
		"another protocol": {change("Content-Type", "x-amz-json-1.0", "json"), "UnknownOperationException"},
		"another version":  {change("X-Amz-Target", "20120810", "20111205"), "UnknownOperationException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, out := post(t, srv.URL(), "DynamoDB_20120810.ListTables", "{}", c.with)
			code, _ := out["__type"].(string)
			require.Equal(t, c.code, code[strings.LastIndexByte(code, '#')+1:])
		})
	}
}

// What a message quotes of an expression is whole characters.
func TestMessagesQuoteCharacters(t *testing.T) {
	srv, _ := started(t, dynamodbtest.Config{})
	w := serve(t, srv, "DynamoDB_20120810.PutItem", []byte(`{"TableName":"rows","Item":{"p":{"S":"a"}},"ConditionExpression":"p = 漢"}`))
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `token: \"漢\"`)
}

// FuzzRequest sends anything: it is answered with JSON, and nothing panics.
func FuzzRequest(f *testing.F) {
	for _, s := range scenarios() {
		for _, a := range s.asks {
			if len(a.body) < 2000 {
				f.Add(a.op, []byte(a.body))
			}
		}
	}
	srv := dynamodbtest.Start(f, dynamodbtest.Config{})
	for name, kind := range map[string]string{"plain": "", "sorted": "N", "worded": "S", "raw": "B"} {
		cfg := dynamodbtest.TableConfig{PartitionKey: "p", Stream: "NEW_AND_OLD_IMAGES"}
		if kind != "" {
			cfg.SortKey, cfg.SortType = "s", kind
		}
		require.NoError(f, srv.AddTable(name, cfg))
	}
	f.Fuzz(func(t *testing.T, op string, body []byte) {
		if strings.ContainsAny(op, "\r\n") {
			return
		}
		for _, service := range []string{"DynamoDB_20120810.", "DynamoDBStreams_20120810."} {
			w := serve(t, srv, service+op, body)
			require.True(t, json.Valid(w.Body.Bytes()) && utf8.Valid(w.Body.Bytes()), "%s", w.Body)
			require.Less(t, w.Code, 500, "%s", w.Body)
			if w.Code != http.StatusOK {
				require.True(t, bytes.HasPrefix(w.Body.Bytes(), []byte(`{"__type":"com.amazon`)), "%s", w.Body)
			}
		}
	})
}
