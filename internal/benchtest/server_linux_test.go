package benchtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// serverEnv makes the test binary serve SQS instead of running tests, so that
// the server's CPU time and memory are not counted.
const serverEnv = "UNSPOOL_BENCH_SERVER"

func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(serverEnv) != "":
		err = serve()
	case os.Getenv(wholeEnv) != "":
		err = wholeChild()
	case os.Getenv(folderEnv) != "":
		err = child()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve serves one queue until standard input ends.
func serve() error {
	srv, err := sqstest.New(sqstest.Config{DiscardBodies: true})
	if err != nil {
		return err
	}
	defer srv.Close()
	queue, err := srv.AddQueue("bench", sqstest.QueueConfig{})
	if err != nil {
		return err
	}
	fmt.Println(srv.URL(), queue)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent is done, or gone
	return nil
}

// startServer starts a stand-in for SQS in a process of its own.
func startServer(tb testing.TB) (endpoint, queue string) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(tb, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	_, err = fmt.Fscan(bufio.NewReader(stdout), &endpoint, &queue)
	require.NoError(tb, err)
	return endpoint, queue
}

// awsConfig points the SDK at a stand-in.
func awsConfig(endpoint string) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}
