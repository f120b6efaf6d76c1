package dynamodb_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/claim/internal/storetest"
	"github.com/unspool-go/unspool/processor/fault"
)

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := dynamodb.New(nil, dynamodb.Config{Parallel: -1, Keep: -1, KeepFinished: -1})
	for _, text := range []string{"client is nil", "Table is empty", "Parallel is -1", "Keep is -1ns", "KeepFinished is -1ns"} {
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, fault.ClassFatal, fault.Of(err))
	require.Equal(t, fault.ClassFatal, fault.Of(dynamodb.CreateTable(t.Context(), nil, "")))
}

// always answers every request alike.
func always(status int, body string) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) { return answer(r, status, body), nil })
}

func TestErrorsAreClassified(t *testing.T) {
	const header = `{"__type":"com.amazonaws.dynamodb.v20120810#`
	for name, c := range map[string]struct {
		rt   http.RoundTripper
		want fault.Class
	}{
		"transport":      {trip(func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }), fault.ClassInterrupted},
		"throttled":      {always(400, header+`ThrottlingException"}`), fault.ClassInterrupted},
		"over capacity":  {always(400, header+`ProvisionedThroughputExceededException"}`), fault.ClassInterrupted},
		"over the limit": {always(400, header+`RequestLimitExceeded"}`), fault.ClassInterrupted},
		"internal error": {always(500, header+`InternalServerError"}`), fault.ClassInterrupted},
		"unknown 503":    {always(503, `{}`), fault.ClassInterrupted},
		"odd answer":     {always(200, `<html>`), fault.ClassInterrupted},
		"no such table":  {always(400, header+`ResourceNotFoundException"}`), fault.ClassFatal},
		"access denied":  {always(400, `{"__type":"com.amazon.coral.service#AccessDeniedException"}`), fault.ClassFatal},
		"credentials":    {always(400, `{"__type":"com.amazon.coral.service#UnrecognizedClientException"}`), fault.ClassFatal},
		"another table":  {always(400, `{"__type":"com.amazon.coral.validate#ValidationException"}`), fault.ClassFatal},
		"unknown 403":    {always(403, `{"__type":"x#NewException"}`), fault.ClassFatal},
		"unknown 400":    {always(400, `{"__type":"x#NewException"}`), fault.ClassRetryable},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, clientOf("http://dynamodb.test", c.rt), "claims")
			ctx := t.Context()
			l := claim.Lease{Key: "the-key", Token: "the-token", Progress: "the-progress"}
			_, claimed := store.Claim(ctx, "a", "the-nonce", []string{l.Key}, time.Minute)
			_, inspected := store.Inspect(ctx, []string{l.Key})
			_, counted := store.Count(ctx)
			for op, err := range map[string]error{
				"claim": claimed, "inspect": inspected, "count": counted,
				"extend":   store.Extend(ctx, []claim.Lease{l}, time.Minute),
				"complete": store.Complete(ctx, []claim.Lease{l}),
				"release":  store.Release(ctx, []claim.Return{{Lease: l, Reason: "the-reason"}}),
			} {
				require.Error(t, err, op)
				require.Equal(t, c.want, fault.Of(err), "%s: %v", op, err)
				for _, secret := range []string{"the-progress", "the-nonce", "the-token", "secret"} {
					require.NotContains(t, err.Error(), secret, op)
				}
			}
		})
	}
}

func TestAnswersWithoutADateAreFatal(t *testing.T) {
	dateless := trip(func(r *http.Request) (*http.Response, error) {
		resp := answer(r, http.StatusOK, `{"Responses":{},"UnprocessedKeys":{}}`)
		resp.Header.Del("Date")
		return resp, nil
	})
	store := open(t, clientOf("http://dynamodb.test", dateless), "claims")
	_, err := store.Claim(t.Context(), "a", "1", []string{"k"}, time.Minute)
	require.Equal(t, fault.ClassFatal, fault.Of(err))
	require.ErrorContains(t, err, "no Date header")
}

func TestATableOfOtherItemsIsFatal(t *testing.T) {
	store := open(t, clientOf("http://dynamodb.test", always(200, `{"Responses":{"claims":[{"k":{"B":"aw=="},"a":{"S":"many"},"d":{"BOOL":true}}]}}`)), "claims")
	_, err := store.Inspect(t.Context(), []string{"k"})
	require.Equal(t, fault.ClassFatal, fault.Of(err))
	require.ErrorContains(t, err, `item "k" is no claim`)
	require.NotContains(t, err.Error(), "many")
}

func TestKeysLeftUnprocessedForEverAreAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t, clientOf("http://dynamodb.test", noKeys(nil)), "claims")
		_, err := store.Inspect(t.Context(), storetest.Keys(3))
		require.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err = store.Inspect(ctx, storetest.Keys(3))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, fault.ClassInterrupted, fault.Of(err))
		require.Equal(t, 200*time.Millisecond, time.Since(start), "it waits on after its context has ended")
	})
}

func TestCreateTableWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		described := 0
		rt := trip(func(r *http.Request) (*http.Response, error) {
			switch operation(r) {
			case "DescribeTable":
				described++
				switch described {
				case 1:
					return answer(r, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`), nil
				case 2, 3:
					return answer(r, 200, `{"Table":{"TableStatus":"CREATING"}}`), nil
				}
				return answer(r, 200, `{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],`+
					`"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"B"}]}}`), nil
			case "DescribeTimeToLive":
				return answer(r, 200, `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`), nil
			}
			return answer(r, 200, `{}`), nil
		})
		require.NoError(t, dynamodb.CreateTable(t.Context(), clientOf("http://dynamodb.test", rt), "claims"))
		require.Equal(t, 4, described)
	})
}

func TestCreateTableRefusesOtherTables(t *testing.T) {
	for want, answers := range map[string]map[string]string{
		`TTL attribute is "expires"`: {
			"DescribeTable": `{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],` +
				`"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"B"}]}}`,
			"DescribeTimeToLive": `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"expires"}}`,
		},
		"it is DELETING": {"DescribeTable": `{"Table":{"TableStatus":"DELETING"}}`},
	} {
		rt := trip(func(r *http.Request) (*http.Response, error) {
			if body, ok := answers[operation(r)]; ok {
				return answer(r, 200, body), nil
			}
			return answer(r, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceInUseException"}`), nil
		})
		err := dynamodb.CreateTable(t.Context(), clientOf("http://dynamodb.test", rt), "claims")
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.ClassFatal, fault.Of(err))
	}
}

func TestTheClientOfTheCallerIsKept(t *testing.T) {
	own := &http.Client{}
	cfg := aws.Config{Region: "us-east-1", HTTPClient: own}
	require.Same(t, own, dynamodb.NewClient(cfg).Options().HTTPClient)
	cfg.HTTPClient = nil
	require.NotNil(t, dynamodb.NewClient(cfg).Options().HTTPClient)
}

// The package comment is what people copy their policies from.
func TestThePackageCommentListsTheActions(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\t(dynamodb:\w+)$`).FindAllStringSubmatch(text(file), -1) {
		got = append(got, m[1])
	}
	want := slices.Concat(dynamodb.WorkerActions(), dynamodb.InspectorActions(), dynamodb.SetupActions())
	require.Equal(t, want, got)
}

// text is the package comment.
func text(file *ast.File) string { return strings.ReplaceAll(file.Doc.Text(), "    ", "\t") }

func ExampleWorkerActions() {
	fmt.Println(dynamodb.WorkerActions())
	// Output:
	// [dynamodb:BatchGetItem dynamodb:UpdateItem]
}

func ExampleNew() {
	client := dynamodb.NewClient(aws.Config{Region: "eu-central-1"})
	_, err := dynamodb.New(client, dynamodb.Config{Parallel: -1})
	fmt.Println(err)
	// Output:
	// configure DynamoDB claims: Table is empty
	// Parallel is -1: want more than 0
}
