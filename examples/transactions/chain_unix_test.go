//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	claims "github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// What a process of a test is told.
const (
	envRole   = "TRANSACTIONS_ROLE"
	envQueues = "TRANSACTIONS_QUEUES"
	envTable  = "TRANSACTIONS_TABLE"
	envKnown  = "TRANSACTIONS_KNOWN"
)

// roles are what the binary of the tests does in a process of its own, with
// 256 files.
var roles = map[string]func() error{"consumers": consumers, "story": story, "measured": measured}

// Each row arrives once, with its result, whatever happens to those who carry it: two
// processes that run all stages are killed one after the other, some of their requests
// fail, and of others the answer is lost. In full, servers of others stand in for AWS.
func TestNothingIsLostWhereConsumersAreKilled(t *testing.T) {
	t.Parallel() // the stages are other processes
	rows, kills := 1_000, 2
	switch {
	case testing.Short():
		rows, kills = 300, 1
	case !testtool.Brief():
		rows, kills = 8_000, 6
	}
	queues, table := servers(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	require.NoError(t, claims.CreateTable(ctx, claims.NewClient(settings(table)), claimsTable))
	c, err := chainOf(queues, table, 0, io.Discard)
	require.NoError(t, err)
	require.NoError(t, c.create(ctx))
	folder := t.TempDir()
	want, err := upload(folder, rows, 3)
	require.NoError(t, err)
	report, counts, err := c.load(ctx, folder)
	require.NoError(t, err)
	require.NoError(t, want.compare(report, counts))
	require.Positive(t, want.late)

	pool := &pool{t: t, env: []string{envQueues + "=" + queues, envTable + "=" + table}}
	pool.add()
	pool.add()
	for i := range kills {
		awaitReplaying(ctx, t, c, (want.clean-want.late)*i/kills) // they are in the midst of it
		pool.kill()
		pool.add()
	}
	// A message whose consumers died three times is a dead letter, too.
	awaitReplaying(ctx, t, c, want.clean-want.late)
	dead, err := c.inspect(ctx, queueStored, want.late)
	require.NoError(t, err)
	assert.Contains(t, fmt.Sprint(dead.Reasons), errCurrency.Error())
	pool.stop()

	pool.env = append(pool.env, envKnown+"=1")
	pool.add()
	pool.add()
	awaitStored(ctx, t, c)
	awaitReplaying(ctx, t, c, want.clean)
	pool.stop()
	require.NoError(t, c.check(ctx, want))
}

// awaitReplaying waits until so many items have their result, and replays dead letters.
func awaitReplaying(ctx context.Context, t *testing.T, c *chain, items int) {
	t.Helper()
	for {
		for _, queue := range queueNames {
			if letters(ctx, t, c, queue) > 0 {
				_, err := c.replay(ctx, queue)
				require.NoError(t, err)
			}
		}
		some, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := c.await(some, finished, items)
		cancel()
		if err == nil {
			return
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, ctx.Err())
	}
}

// letters returns about how many dead letters of a queue there are.
func letters(ctx context.Context, t *testing.T, c *chain, queue string) int {
	t.Helper()
	return messages(ctx, t, c, deadLetters(queue), sqstypes.QueueAttributeNameApproximateNumberOfMessages)
}

// messages returns about how many messages are in a queue, in the states that the
// attributes name.
func messages(ctx context.Context, t *testing.T, c *chain, queue string, states ...sqstypes.QueueAttributeName) (n int) {
	t.Helper()
	at, err := c.queues.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: &queue})
	require.NoError(t, err)
	out, err := c.queues.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: at.QueueUrl, AttributeNames: states})
	require.NoError(t, err)
	for _, state := range states {
		some, err := strconv.Atoi(out.Attributes[string(state)])
		require.NoError(t, err)
		n += some
	}
	return n
}

// awaitStored waits until nothing is left that would be stored again: that takes the
// result of an item away, for a while.
func awaitStored(ctx context.Context, t *testing.T, c *chain) {
	t.Helper()
	for {
		if letters(ctx, t, c, queueTransactions) > 0 {
			_, err := c.replay(ctx, queueTransactions)
			require.NoError(t, err)
		} else if messages(ctx, t, c, queueTransactions, sqstypes.QueueAttributeNameApproximateNumberOfMessages,
			sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible, sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

const claimsTable = "claims"

// chainOf is a chain of which several processes work, and share the claims. A share of
// their requests fails.
func chainOf(queues, table string, faults float64, log io.Writer) (*chain, error) {
	forQueues, forTable := settings(queues), settings(table)
	if faults > 0 {
		forQueues.HTTPClient = flaky{awshttp.NewBuildableClient(), faults}
		forTable.HTTPClient = flaky{awshttp.NewBuildableClient(), faults}
	}
	store, err := claims.New(claims.NewClient(settings(table)), claims.Config{Table: claimsTable})
	if err != nil {
		return nil, err
	}
	c := newChain(forQueues, forTable, store, newLogger(log))
	c.visibility = 3 * time.Second
	return c, nil
}

// consumers runs all stages until the process is told to end.
func consumers() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := chainOf(os.Getenv(envQueues), os.Getenv(envTable), 0.05, os.Stderr)
	if err != nil {
		return err
	}
	c.work.krone.Store(os.Getenv(envKnown) != "")
	return c.run(ctx)
}

// flaky is a client of which a share of the requests fails: half of them are carried out
// all the same.
type flaky struct {
	*awshttp.BuildableClient
	share float64
}

var errFlaky = errors.New("the connection is lost")

func (f flaky) Do(r *http.Request) (*http.Response, error) {
	switch x := rand.Float64(); {
	case x > f.share:
		return f.BuildableClient.Do(r)
	case x > f.share/2:
		return nil, errFlaky
	}
	resp, err := f.BuildableClient.Do(r)
	if err == nil {
		_ = resp.Body.Close()
		err = errFlaky
	}
	return nil, err
}

// pool is the processes that run.
type pool struct {
	t   *testing.T
	env []string
	all []*exec.Cmd
}

func (p *pool) add() {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), envRole+"=consumers"), p.env...)
	cmd.Stderr = os.Stderr
	require.NoError(p.t, cmd.Start())
	p.all = append(p.all, cmd)
}

// kill kills the one that has run longest.
func (p *pool) kill() {
	p.t.Helper()
	require.NoError(p.t, p.all[0].Process.Kill())
	_ = p.all[0].Wait() // it was killed
	p.all = p.all[1:]
}

// stop has all of them end.
func (p *pool) stop() {
	p.t.Helper()
	for _, cmd := range p.all {
		require.NoError(p.t, cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, cmd := range p.all {
		require.NoError(p.t, cmd.Wait())
	}
	p.all = nil
}

// servers starts what stands in for SQS and DynamoDB, and returns where: servers of ours
// in a brief test, those of others in a full one.
func servers(t *testing.T) (queues, table string) {
	t.Helper()
	if testtool.Brief() {
		return sqstest.Start(t, sqstest.Config{DiscardDeleted: true}).URL(), dynamodbtest.Start(t, dynamodbtest.Config{Shards: 4}).URL()
	}
	return fauxqs(t), "http://" + testtool.DynamoDBLocal(t)
}

// fauxqs starts a stand-in for SQS.
func fauxqs(t *testing.T) string {
	t.Helper()
	node, cli := testtool.Find(t, "node"), testtool.Find(t, "fauxqs")
	port := strconv.Itoa(testtool.Port(t))
	cmd := exec.CommandContext(context.Background(), node, cli)
	cmd.Env = []string{"FAUXQS_PORT=" + port, "FAUXQS_HOST=127.0.0.1", "FAUXQS_LOGGER=false"}
	testtool.Start(t, cmd, testtool.Listening("127.0.0.1:"+port))
	return "http://127.0.0.1:" + port
}

// Each row arrives, mended, with its result; what failed three times is told, and
// replayed. It needs few files, and tells little.
func TestTheWholeStory(t *testing.T) {
	t.Parallel() // in a process of its own
	rows := 1_000
	if !testtool.Brief() {
		rows = 40_000
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"=story", envRows+"="+strconv.Itoa(rows))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, want := range []string{
		`(?m)^checked  each defect that was made was found, and nothing else$`, `amount +decimal +[1-9]`,
		`(?m)^dead     [1-9][0-9]* failed 3 times: .*currency is not known$`, `(?m)such as that of day\.csv, byte [1-9]`,
		`(?m)^checked  each of [0-9]+ clean rows is stored, with its result, and nothing else$`,
	} {
		assert.Regexp(t, want, string(out))
	}
	logged := regexp.MustCompile(`(?m)^logged   \d+ lines, (\d+) bytes$`).FindSubmatch(out)
	require.NotNil(t, logged, string(out))
	n, err := strconv.Atoi(string(logged[1]))
	require.NoError(t, err)
	assert.Less(t, n, 100_000)
}

// story is the whole story.
func story() error {
	rows, err := strconv.Atoi(os.Getenv(envRows))
	if err != nil {
		return err
	}
	return run(context.Background(), os.Stdout, rows, 3, 0)
}

func TestMain(m *testing.M) {
	if role := roles[os.Getenv(envRole)]; role != nil {
		err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 256, Max: 256})
		if err == nil {
			err = role()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
