package sqs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"
)

// transport is an HTTP client of a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(r *http.Request) (*http.Response, error) { return f(r) }

// sdk returns a client whose requests go to do.
func sdk(do transport, optFns ...func(*awssqs.Options)) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://127.0.0.1:1"),
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   do,
	}, optFns...)
}

var errStop = errors.New("stop here")

// sdkBody returns what the SDK's own encoder writes.
func sdkBody(t *testing.T, in *awssqs.SendMessageBatchInput) (out []byte) {
	t.Helper()
	_, err := sdk(func(r *http.Request) (*http.Response, error) {
		out, _ = io.ReadAll(r.Body)
		return nil, errStop
	}).SendMessageBatch(t.Context(), in)
	require.ErrorIs(t, err, errStop)
	return out
}

func one(body string) *awssqs.SendMessageBatchInput {
	return &awssqs.SendMessageBatchInput{QueueUrl: aws.String("http://127.0.0.1:1/1/q"), Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: &body}}}
}

func TestHeadersAreTheSDKs(t *testing.T) {
	headers := func(optFns ...func(*awssqs.Options)) (h http.Header, n int64, path string) {
		_, err := sdk(func(r *http.Request) (*http.Response, error) {
			h, n, path = r.Header.Clone(), r.ContentLength, r.URL.Path
			return nil, errStop
		}, optFns...).SendMessageBatch(t.Context(), one("1"))
		require.ErrorIs(t, err, errStop)
		for _, name := range []string{"Authorization", "X-Amz-Date", "Amz-Sdk-Invocation-Id"} {
			require.NotEmpty(t, h.Get(name), name)
			h.Del(name) // differ from call to call
		}
		return h, n, path
	}
	plainHeader, plainLength, plainPath := headers()
	fastHeader, fastLength, fastPath := headers(WithFastBody)
	require.Equal(t, plainHeader, fastHeader)
	require.Equal(t, plainLength, fastLength)
	require.Equal(t, plainPath, fastPath)
}

func TestRetriesOfTheSDKSendTheSameBodyAgain(t *testing.T) {
	var bodies []string
	c := sdk(func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		bodies = append(bodies, string(b))
		header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
		if len(bodies) < 3 {
			return &http.Response{StatusCode: 500, Header: header, Body: io.NopCloser(strings.NewReader(`{"__type":"InternalFailure"}`))}, nil
		}
		return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(strings.NewReader(`{"Successful":[{"Id":"0"}]}`))}, nil
	}, WithFastBody, func(o *awssqs.Options) { o.Retryer = atOnce{} })
	out, err := c.SendMessageBatch(t.Context(), one("1"))
	require.NoError(t, err)
	require.Len(t, out.Successful, 1)
	require.Len(t, bodies, 3)
	require.Equal(t, bodies[0], bodies[1])
	require.Equal(t, bodies[0], bodies[2])
}

// atOnce retries three times without a pause.
type atOnce struct{ aws.NopRetryer }

func (atOnce) IsErrorRetryable(error) bool                  { return true }
func (atOnce) MaxAttempts() int                             { return 3 }
func (atOnce) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

func TestBufferIsNotReadOnceTheCallReturned(t *testing.T) {
	var kept io.Reader // as net/http may keep it, in a goroutine of its own
	keep := func(o *awssqs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("keep", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				kept = in.Request.(*smithyhttp.Request).GetStream()
				return next.HandleFinalize(ctx, in)
			}), middleware.After)
		})
	}
	_, err := sdk(func(r *http.Request) (*http.Response, error) {
		_, err := io.ReadFull(r.Body, make([]byte, 10))
		require.NoError(t, err)
		return nil, errStop
	}, WithFastBody, keep).SendMessageBatch(t.Context(), one("secret"))
	require.ErrorIs(t, err, errStop)
	n, err := kept.Read(make([]byte, 100))
	require.Zero(t, n)
	require.ErrorIs(t, err, errReleased)
}

func TestOtherOperationsAreUntouched(t *testing.T) {
	c := sdk(func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "AmazonSQS.GetQueueUrl", r.Header.Get("X-Amz-Target"))
		return nil, errStop
	}, WithFastBody)
	_, err := c.GetQueueUrl(context.Background(), &awssqs.GetQueueUrlInput{QueueName: aws.String("q")})
	require.ErrorIs(t, err, errStop)
}

func TestTextThatIsNotUTF8GoesThroughTheSDKsEncoder(t *testing.T) {
	var sent string
	_, err := sdk(func(r *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		sent = string(b)
		return nil, errStop
	}, WithFastBody).SendMessageBatch(t.Context(), one("a\xff"))
	require.ErrorIs(t, err, errStop)
	require.Equal(t, string(sdkBody(t, one("a\xff"))), sent)
}

func TestSeek(t *testing.T) {
	b := &body{data: []byte("0123456789")}
	n, err := b.Seek(-2, io.SeekEnd)
	require.NoError(t, err)
	require.EqualValues(t, 8, n)
	rest, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "89", string(rest))
	_, err = b.Seek(1, io.SeekCurrent)
	require.Error(t, err)
}
