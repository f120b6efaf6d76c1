package sqstest_test

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// target is a server that the table is run against, through the real SDK.
type target struct {
	name string
	c    *sqs.Client
	n    int // queues made
}

// queue makes a queue of its own for a case; suffix is ".fifo" or empty.
func (x *target) queue(t *testing.T, suffix string, attrs map[string]string) string {
	t.Helper()
	x.n++
	out, err := x.c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q" + strconv.Itoa(x.n) + suffix), Attributes: attrs})
	require.NoError(t, err)
	return *out.QueueUrl
}

// answer is how a call went: "ok", the code of its error without prefix, or the
// codes of the entries that failed by Id.
func answer(err error, failed ...types.BatchResultErrorEntry) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return plainCode(api.ErrorCode())
	}
	if err != nil {
		return "error: " + err.Error()
	}
	if len(failed) == 0 {
		return "ok"
	}
	var parts []string
	for _, f := range failed {
		parts = append(parts, aws.ToString(f.Id)+" "+plainCode(aws.ToString(f.Code)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// plainCode gives a code without prefix, and one that has two names its modelled
// one.
func plainCode(code string) string {
	switch code = strings.TrimPrefix(code, "AWS.SimpleQueueService."); code {
	case "NonExistentQueue":
		return "QueueDoesNotExist"
	case "QueueAlreadyExists":
		return "QueueNameExists"
	}
	return code
}

func TestTableOfAnswers(t *testing.T) {
	t.Parallel()
	srv := sqstest.Start(t, sqstest.Config{})
	x := &target{name: "sqstest", c: client(t, srv.URL())}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, c.ask(t, x))
		})
	}
}

func TestParityWithFauxqs(t *testing.T) {
	t.Parallel()
	node, cli := testtool.Find(t, "node"), testtool.Find(t, "fauxqs")
	port := strconv.Itoa(testtool.Port(t))
	cmd := exec.CommandContext(context.Background(), node, cli)
	cmd.Env = []string{"FAUXQS_PORT=" + port, "FAUXQS_HOST=127.0.0.1", "FAUXQS_LOGGER=false"}
	url := "http://127.0.0.1:" + port
	testtool.Start(t, cmd, func() error { return healthy(t, url+"/health") })
	x := &target{name: "fauxqs", c: client(t, url)}
	for _, c := range cases {
		compare(t, x, c.name, c.ask, c.want, c.faux)
	}
}

func TestParityWithLocalAWSSQS(t *testing.T) {
	t.Parallel()
	node, index := testtool.Find(t, "node"), testtool.Find(t, "local-aws-sqs")
	addr := testtool.Addr(t)
	_, port, _ := strings.Cut(addr, ":")
	script := `require(process.argv[1]).createSqsServer({port: Number(process.argv[2]), hostname: "127.0.0.1", emulateQueueCreationLifecycle: false})`
	cmd := exec.CommandContext(context.Background(), node, "-e", script, index, port)
	cmd.Dir = filepath.Dir(index)
	cmd.Env = []string{"AWS_REGION=us-east-1"}
	testtool.Start(t, cmd, testtool.Listening(addr))
	x := &target{name: "local-aws-sqs", c: client(t, "http://"+addr)}
	for _, c := range cases {
		compare(t, x, c.name, c.ask, c.want, c.local)
	}
}

// compare runs a case against another server. A difference that is not listed,
// or one that is listed and gone, fails the test.
func compare(t *testing.T, x *target, name string, ask ask, want string, diff *difference) {
	t.Run(name, func(t *testing.T) {
		if diff != nil {
			want = diff.answer
		}
		assert.Equal(t, want, ask(t, x), "answer of %s", x.name)
	})
}

func healthy(t *testing.T, url string) error {
	resp, err := newHTTP(t).Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
