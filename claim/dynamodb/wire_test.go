package dynamodb_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// readBody reads the body of a request, and puts it back.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// attribute is a binary attribute as DynamoDB writes it.
type attribute struct{ B string }

// keyIn is the key of a request about one item.
func keyIn(body []byte) string {
	var request struct{ Key map[string]attribute }
	if json.Unmarshal(body, &request) != nil {
		return ""
	}
	key, err := base64.StdEncoding.DecodeString(request.Key["k"].B)
	if err != nil {
		return ""
	}
	return string(key)
}

// expressionIn tells the kinds of changes apart.
func expressionIn(body []byte) string {
	var request struct{ UpdateExpression string }
	if json.Unmarshal(body, &request) != nil {
		return ""
	}
	return request.UpdateExpression
}

// answer is a response made up by the test.
func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"},
			"Date":         {time.Now().UTC().Format(http.TimeFormat)},
		},
		Body:          io.NopCloser(bytes.NewReader([]byte(body))),
		ContentLength: int64(len(body)),
	}
}

// keysIn is the part of a BatchGetItem that says what to read.
type keysIn struct {
	Keys           []json.RawMessage
	ConsistentRead bool
}

// firstKeyOnly processes one key of each BatchGetItem and leaves the others.
func firstKeyOnly(next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		if operation(r) != "BatchGetItem" {
			return next.RoundTrip(r)
		}
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		var request struct{ RequestItems map[string]keysIn }
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, err
		}
		rest := make(map[string]keysIn)
		for table, in := range request.RequestItems {
			if len(in.Keys) > 1 {
				rest[table] = keysIn{in.Keys[1:], in.ConsistentRead}
				in.Keys = in.Keys[:1]
				request.RequestItems[table] = in
			}
		}
		less, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		// DynamoDB Local does not check signatures.
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(less)), int64(len(less))
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			return nil, err
		}
		out["UnprocessedKeys"] = rest
		text, err := json.Marshal(out)
		return answer(r, http.StatusOK, string(text)), err
	})
}

// noKeys leaves all keys of each BatchGetItem.
func noKeys(http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		var request struct{ RequestItems json.RawMessage }
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, err
		}
		return answer(r, http.StatusOK, `{"Responses":{},"UnprocessedKeys":`+string(request.RequestItems)+`}`), nil
	})
}
