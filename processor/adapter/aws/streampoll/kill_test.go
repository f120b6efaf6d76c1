package streampoll_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// A process that finds this in its environment is a consumer: see child.
const (
	childEndpoint = "STREAMPOLL_ENDPOINT"
	childStream   = "STREAMPOLL_STREAM"
	childClaims   = "STREAMPOLL_CLAIMS"
	childDiary    = "STREAMPOLL_DIARY"
)

const killedTTL = 2 * time.Second

// child consumes a stream until it is killed or told to end. What it settles it writes
// into its diary, each batch at once.
func child() {
	err := func() error {
		diary, err := os.OpenFile(os.Getenv(childDiary), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		e := endpoint{url: os.Getenv(childEndpoint)}
		claims, err := dynamodb.New(e.tables(), dynamodb.Config{Table: os.Getenv(childClaims)})
		if err != nil {
			return err
		}
		h := streampoll.HandlerFunc(func(_ context.Context, event json.RawMessage) (aws.Answer, error) {
			batch, err := changesOf(event)
			var lines strings.Builder
			for _, c := range batch {
				lines.WriteString(c.Item + "\n")
			}
			if err == nil {
				time.Sleep(5 * time.Millisecond) // so that there is time to be killed in
				_, err = diary.WriteString(lines.String())
			}
			return aws.Answer{}, err
		})
		c, err := streampoll.New(e.streams(), os.Getenv(childStream), h, streampoll.Config{
			Claims: claims, TTL: killedTTL, BatchSize: 10, PollInterval: 50 * time.Millisecond, ReadInterval: 10 * time.Millisecond, ScanInterval: 200 * time.Millisecond,
		})
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		_, err = c.Run(ctx)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a consumer that runs in a process of its own.
type process struct {
	cmd   *exec.Cmd
	diary string
}

func spawn(t *testing.T, e endpoint, stream, claims string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{exec.CommandContext(t.Context(), self), filepath.Join(t.TempDir(), "diary")}
	p.cmd.Env = append(os.Environ(), childEndpoint+"="+e.url, childStream+"="+stream, childClaims+"="+claims, childDiary+"="+p.diary)
	p.cmd.Stderr = os.Stderr
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// settled is what the process has written into its diary.
func (p *process) settled(t *testing.T) []string {
	text, err := os.ReadFile(p.diary)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return strings.Fields(strings.ReplaceAll(string(text), " ", "_"))
}

// killed kills one of two consumers in its work, the one that has the first shard, and
// lets the other finish.
func killed(t *testing.T, e endpoint) {
	const items = 300
	require.NoError(t, dynamodb.CreateTable(t.Context(), e.tables(), "claims"))
	stream := e.create(t, "payments")
	e.fill(t, "payments", 0, items, 0)
	victim := spawn(t, e, stream, "claims")
	until(t, "the first works", func() bool { return len(victim.settled(t)) >= 50 })
	heir := spawn(t, e, stream, "claims")
	e.fill(t, "payments", 0, items, 1)
	until(t, "the first works on", func() bool { return len(victim.settled(t)) >= 200 })
	require.NoError(t, victim.cmd.Process.Kill())
	require.Error(t, victim.cmd.Wait())
	e.fill(t, "payments", 0, items, 2)
	first := victim.settled(t)
	all := func() []string {
		return strings.Split(strings.ReplaceAll(strings.Join(append(first, heir.settled(t)...), "\n"), "_", " "), "\n")
	}
	distinct := func() int {
		seen := map[string]bool{}
		for _, name := range all() {
			seen[name] = true
		}
		return len(seen)
	}
	until(t, "the other goes on", func() bool { return distinct() >= items*versions })
	require.NoError(t, heir.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, heir.cmd.Wait())
	assert.LessOrEqual(t, whole(t, all(), items), 10, "no more than a batch comes again")
}

func TestAConsumerThatIsKilledHasAnHeir(t *testing.T) {
	if testtool.Brief() {
		t.Skip("with DynamoDB Local it is tested in brief")
	}
	killed(t, newEndpoint(t, dynamodbtest.Start(t, dynamodbtest.Config{}).URL()))
}
