package dynamodbtest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// scenario is a case of the table: requests that are sent one after the other.
type scenario struct {
	name string
	asks []ask
}

// ask is one request.
type ask struct {
	op, body string
	// want, if set, is what AWS documents, where DynamoDB Local is known to answer
	// otherwise: the type of the error, or the answer. why says how it differs.
	want, why string
}

// but says what AWS answers where DynamoDB Local does not.
func (a ask) but(want, why string) ask {
	a.want, a.why = want, why
	return a
}

// TestTableOfRequests holds the stand-in against DynamoDB Local: each request of
// the table gets the same answer from both. Where tests are brief, every fourth
// scenario has to do.
func TestTableOfRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts DynamoDB Local")
	}
	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
	ours := newTarget(t, srv.URL())
	local := newTarget(t, "http://"+testtool.DynamoDBLocal(t))
	ours.prepare(t)
	local.prepare(t)
	for n, c := range scenarios() {
		if testtool.Brief() && n%4 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			ours.begin(n)
			local.begin(n)
			for i, a := range c.asks {
				got := ours.ask(t, a)
				theirs := local.ask(t, a)
				for deadline := time.Now().Add(10 * time.Second); a.op == "GetRecords" && theirs != got && a.want == "" && time.Now().Before(deadline); {
					theirs = local.ask(t, a) // its streams may lag behind
				}
				if a.want == "" {
					require.Equal(t, theirs, got, "%d: %s %s", i, a.op, a.body)
					continue
				}
				require.Equal(t, plain(t, a.op, a.want), got, "%d: %s %s", i, a.op, a.body)
				require.NotEqual(t, theirs, got, "%d: %s %s: DynamoDB Local does not differ any more: %s", i, a.op, a.body, a.why)
			}
			local.learn()
			ours.learn()
		})
	}
}

// target is a server that is asked.
type target struct {
	url  string
	http *http.Client
	vars map[string]string
}

func newTarget(t testing.TB, url string) *target {
	return &target{url: url, http: newHTTP(t)}
}

// begin starts a scenario: names and keys of its own.
func (x *target) begin(n int) {
	x.vars = map[string]string{"$K": "k" + strconv.Itoa(n), "$T": "table-" + strconv.Itoa(n)}
}

// learn ends a scenario.
func (x *target) learn() { x.vars = nil }

// prepare makes the tables that scenarios share: plain has a partition key p,
// sorted a sort key s of type N as well, worded one of type S, raw one of type B.
func (x *target) prepare(t testing.TB) {
	for name, kind := range map[string]string{"plain": "", "sorted": "N", "worded": "S", "raw": "B"} {
		keys, defs := `{"AttributeName":"p","KeyType":"HASH"}`, `{"AttributeName":"p","AttributeType":"S"}`
		if kind != "" {
			keys += `,{"AttributeName":"s","KeyType":"RANGE"}`
			defs += `,{"AttributeName":"s","AttributeType":"` + kind + `"}`
		}
		status, body := x.send(t, "CreateTable", `{"TableName":"`+name+`","KeySchema":[`+keys+`],"AttributeDefinitions":[`+defs+`],"BillingMode":"PAY_PER_REQUEST"}`)
		require.Equal(t, 200, status, body)
	}
}

// authorization is a signature that any stand-in takes.
var authorization = "AWS4-HMAC-SHA256 Credential=key/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + strings.Repeat("0", 64)

// send sends a request as it is written.
func (x *target) send(t testing.TB, op, body string) (int, string) {
	t.Helper()
	service := "DynamoDB_20120810."
	if slices.Contains([]string{"ListStreams", "DescribeStream", "GetShardIterator", "GetRecords"}, op) {
		service = "DynamoDBStreams_20120810."
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Target", service+op)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Date", "20261122T000000Z")
	req.Header.Set("Authorization", authorization)
	resp, err := x.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

// ask sends a request, and returns what can be compared of the answer.
func (x *target) ask(t *testing.T, a ask) string {
	t.Helper()
	body := a.body
	for _, name := range slices.SortedFunc(maps.Keys(x.vars), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		body = strings.ReplaceAll(body, name, x.vars[name])
	}
	status, answer := x.send(t, a.op, body)
	x.note(a.op, answer)
	text := plain(t, a.op, answer)
	for _, name := range []string{"$K", "$T"} {
		text = strings.ReplaceAll(text, `"`+x.vars[name], `"`+name)
	}
	if status >= 500 {
		text = fmt.Sprint(status, " ", text)
	}
	return text
}

// note keeps what later requests may refer to: $ARN, $SHARD, $ITERATOR and $SEQ, of
// a stream, its first shard, the last iterator and the first record.
func (x *target) note(op, answer string) {
	var a struct {
		TableDescription  struct{ LatestStreamArn string }
		StreamDescription struct {
			Shards []struct {
				ID string `json:"ShardId"`
			}
		}
		ShardIterator     string
		NextShardIterator string
		Records           []struct {
			Dynamodb struct{ SequenceNumber string }
		}
	}
	if json.Unmarshal([]byte(answer), &a) != nil {
		return
	}
	set := func(name, value string) {
		if value != "" {
			x.vars[name] = value
		}
	}
	if op == "CreateTable" {
		set("$ARN", a.TableDescription.LatestStreamArn)
	}
	if len(a.StreamDescription.Shards) > 0 {
		set("$SHARD", a.StreamDescription.Shards[0].ID)
	}
	set("$ITERATOR", a.ShardIterator)
	set("$NEXT", a.NextShardIterator)
	if len(a.Records) > 0 && x.vars["$SEQ"] == "" {
		set("$SEQ", a.Records[0].Dynamodb.SequenceNumber)
	}
}

// hidden are members whose values differ from server to server, or in time.
var hidden = map[string]bool{
	"CreationDateTime": true, "CreationRequestDateTime": true, "LastUpdateToPayPerRequestDateTime": true, "ApproximateCreationDateTime": true,
	"TableArn": true, "LatestStreamArn": true, "LatestStreamLabel": true, "StreamArn": true, "StreamLabel": true,
	"ShardId": true, "ShardIterator": true, "NextShardIterator": true, "SequenceNumber": true, "StartingSequenceNumber": true, "eventID": true, "awsRegion": true,
	"SizeBytes": true, "TableSizeBytes": true, // numbers count as a byte more or less
}

// local are members that only one side writes.
var local = map[string]bool{"TableId": true, "LastIncreaseDateTime": true, "LastDecreaseDateTime": true, "TableStatus": true}

// plain is what can be compared of an answer: of errors their type and what is
// documented beside it; sets, and items that come in no order, sorted.
func plain(t testing.TB, op, answer string) string {
	t.Helper()
	if !strings.HasPrefix(answer, "{") {
		return answer // the type of an error
	}
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(answer), &v), answer)
	if kind, ok := v["__type"].(string); ok {
		text := kind[strings.LastIndexByte(kind, '#')+1:]
		if item, ok := v["Item"]; ok {
			text += " " + compact(canonical(op, "Item", item))
		}
		if reasons, ok := v["CancellationReasons"].([]any); ok {
			for _, r := range reasons {
				delete(r.(map[string]any), "Message")
			}
			text += " " + compact(canonical(op, "", reasons))
		}
		return text
	}
	return compact(canonical(op, "", v))
}

func compact(v any) string {
	b, _ := json.Marshal(v) // came out of JSON
	return string(b)
}

func canonical(op, name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			switch {
			case local[k]:
				delete(v, k)
			case hidden[k]:
				v[k] = "*"
			default:
				v[k] = canonical(op, k, e)
			}
		}
	case []any:
		for i, e := range v {
			v[i] = canonical(op, "", e)
		}
		unordered := name == "SS" || name == "NS" || name == "BS" || name == "Items" && op == "Scan" || op == "BatchGetItem" && name == "plain" || name == "AttributeDefinitions" || name == "ConsumedCapacity"
		if unordered {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(compact(a), compact(b)) })
		}
	}
	return v
}
