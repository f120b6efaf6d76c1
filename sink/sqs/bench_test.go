package sqs_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// serverEnv makes the test binary serve a stand-in instead of running tests, so
// that its CPU time is not counted as the sender's.
const serverEnv = "UNSPOOL_SQS_SERVER"

// serve runs a stand-in with one queue until standard input ends.
func serve() error {
	srv, err := sqstest.New(sqstest.Config{DiscardBodies: true})
	if err != nil {
		return err
	}
	defer srv.Close()
	url, err := srv.AddQueue("bench", sqstest.QueueConfig{})
	if err != nil {
		return err
	}
	fmt.Println(srv.URL(), url)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent is done, or gone
	return nil
}

// external starts the stand-in in a process of its own.
func external(b *testing.B) (endpoint, queue string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	_, err = fmt.Fscan(bufio.NewReader(stdout), &endpoint, &queue)
	require.NoError(b, err)
	return endpoint, queue
}

// cpu is the CPU time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSend sends one message a call over loopback to a server in another
// process. cpu-ns/KiB is the CPU time of this process, kernel included, per
// KiB of body. sdk is the SDK's client by itself, as it comes, which is what
// the others are measured against; checksums are verified in all.
func BenchmarkSend(b *testing.B) {
	endpoint, queue := external(b)
	record := `{"id":1234567890,"user":"somebody","text":"a line of text that is as long as they are, more or less","tags":["a","b"]},`
	for _, size := range []int{256 << 10, 1 << 20} {
		body := []byte("[" + strings.Repeat(record, size/len(record)-1) + "0]")
		run := func(kind string, send func(context.Context) error) {
			b.Run(fmt.Sprintf("%s/%dKiB", kind, size>>10), func(b *testing.B) {
				require.NoError(b, send(b.Context()))
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				before := cpu(b)
				for b.Loop() {
					if err := send(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				used := cpu(b) - before
				b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/float64(len(body))*1024, "cpu-ns/KiB")
			})
		}
		sdk := clients["plain"](awsConfig(b, endpoint))
		run("sdk", func(ctx context.Context) error {
			_, err := sdk.SendMessageBatch(ctx, &awssqs.SendMessageBatchInput{
				QueueUrl: &queue,
				Entries:  []types.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: aws.String(string(body))}},
			})
			return err
		})
		for _, kind := range []string{"plain", "ours", "fast"} {
			s, err := sqs.New(clients[kind](awsConfig(b, endpoint)), queue, sqs.Config{})
			require.NoError(b, err)
			batch := []sink.Message{{Body: body, ID: "m"}}
			run(kind, func(ctx context.Context) error { return s.Send(ctx, batch) })
		}
	}
}
