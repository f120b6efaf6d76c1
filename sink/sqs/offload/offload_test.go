package offload_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink/sqs/offload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket is an S3 of a function.
type bucket func(*s3.PutObjectInput) error

func (b bucket) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return &s3.PutObjectOutput{}, b(in)
}

func TestPointerIsThatOfTheExtendedClient(t *testing.T) {
	var key, body string
	store, err := offload.New(bucket(func(in *s3.PutObjectInput) error {
		b, err := io.ReadAll(in.Body)
		key, body = *in.Bucket+" "+*in.Key, string(b)
		require.EqualValues(t, len(b), *in.ContentLength)
		return err
	}), "b", "big/<1>/")
	require.NoError(t, err)
	pointer, err := store.Store(t.Context(), "id", []byte("payload"))
	require.NoError(t, err)
	require.Equal(t, `["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"big/<1>/id"}]`, string(pointer))
	require.Equal(t, "b big/<1>/id", key)
	require.Equal(t, "payload", body)
}

func TestErrorsAreClassified(t *testing.T) {
	answer := func(status int) error {
		return &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: "Code"},
		}
	}
	for name, c := range map[string]struct {
		err  error
		want fault.Class
	}{
		"transport":      {errors.New("reset"), fault.ClassInterrupted},
		"slow down":      {answer(503), fault.ClassInterrupted},
		"internal error": {answer(500), fault.ClassInterrupted},
		"conflict":       {answer(409), fault.ClassInterrupted},
		"access denied":  {answer(403), fault.ClassFatal},
		"no such bucket": {answer(404), fault.ClassFatal},
		"odd":            {answer(400), fault.ClassRetryable},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := offload.New(bucket(func(*s3.PutObjectInput) error { return c.err }), "b", "")
			require.NoError(t, err)
			_, err = store.Store(t.Context(), "id", []byte("payload"))
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, fault.Of(err))
			require.ErrorContains(t, err, "s3://b/id")
			require.NotContains(t, err.Error(), "payload")
		})
	}
	store, err := offload.New(bucket(func(*s3.PutObjectInput) error { return answer(403) }), "b", "")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Store(ctx, "id", nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.ClassInterrupted, fault.Of(err))
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := offload.New(nil, "", "")
	require.ErrorContains(t, err, "no client")
	require.ErrorContains(t, err, "no bucket")
}

func TestStoreTwiceThroughTheSDK(t *testing.T) {
	gateway := testtool.Find(t, "versitygw")
	addr, dir := testtool.Addr(t), t.TempDir()
	cmd := exec.CommandContext(context.Background(), gateway, "--quiet", "--health", "/health", "--port", addr, "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=key", "ROOT_SECRET_KEY=secretsecret")
	testtool.Start(t, cmd, testtool.Listening(addr))

	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secretsecret", ""),
		HTTPClient:  &http.Client{Transport: tr}, Retryer: aws.NopRetryer{},
	})
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("big")})
	require.NoError(t, err)
	store, err := offload.New(c, "big", "bodies/")
	require.NoError(t, err)
	body := strings.Repeat("0123456789", 200_000)
	for range 2 {
		pointer, err := store.Store(t.Context(), "id", []byte(body))
		require.NoError(t, err)
		require.Contains(t, string(pointer), `"bodies/id"`)
	}
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("big"), Key: aws.String("bodies/id")})
	require.NoError(t, err)
	got, err := io.ReadAll(out.Body)
	require.NoError(t, err)
	require.NoError(t, out.Body.Close())
	require.Equal(t, body, string(got))

	absent, err := offload.New(c, "absent", "")
	require.NoError(t, err)
	_, err = absent.Store(t.Context(), "id", []byte("1"))
	require.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
}
