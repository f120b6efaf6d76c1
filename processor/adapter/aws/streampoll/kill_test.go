package streampoll_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/dynamodb"
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

// child consumes a stream until it is killed or told to end. What it settles it appends
// to a diary that it shares with others, each batch at once: "pid id version.". The line
// begun by one that was killed in the midst of it is ended by the next.
func child() {
	err := func() error {
		diary, err := os.OpenFile(os.Getenv(childDiary), os.O_APPEND|os.O_WRONLY, 0)
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
			lines.WriteString("\n")
			for _, c := range batch {
				fmt.Fprintf(&lines, "%d %s.\n", os.Getpid(), c.Item)
			}
			if err == nil {
				time.Sleep(5 * time.Millisecond) // so that there is time to be killed in
				_, err = diary.WriteString(lines.String())
			}
			return aws.Answer{}, err
		})
		c, err := streampoll.New(e.streams(), os.Getenv(childStream), h, streampoll.Config{
			Claims: claims, TTL: 2 * time.Second, BatchSize: 10, PollInterval: 50 * time.Millisecond, ReadInterval: 10 * time.Millisecond, ScanInterval: 200 * time.Millisecond,
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

// diary is what consumers that run in processes of their own have settled.
type diary struct{ path string }

func newDiary(t *testing.T) diary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "diary")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return diary{path}
}

// spawn starts a consumer.
func (d diary) spawn(t *testing.T, e endpoint, stream, claims string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), childEndpoint+"="+e.url, childStream+"="+stream, childClaims+"="+claims, childDiary+"="+d.path)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// settled returns the changes in the order in which they were settled, and who settled
// the last. A line that is not whole, as it is just being written or never will be, says
// nothing.
func (d diary) settled(t *testing.T) (names []string, last int) {
	t.Helper()
	text, err := os.ReadFile(d.path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, ".\n")
		pid, name, _ := strings.Cut(line, " ")
		if !whole {
			continue
		}
		names = append(names, name)
		last, err = strconv.Atoi(pid)
		require.NoError(t, err)
	}
	return names, last
}

// killed kills the one of two consumers that is at work, and lets the other finish.
func killed(t *testing.T, e endpoint) {
	const items = 200
	require.NoError(t, dynamodb.CreateTable(t.Context(), e.tables(), "claims"))
	stream, d := e.create(t, "payments"), newDiary(t)
	both := []*exec.Cmd{d.spawn(t, e, stream, "claims"), d.spawn(t, e, stream, "claims")}
	e.fill(t, "payments", 0, items, 0)
	e.fill(t, "payments", 0, items, 1)
	var last int
	until(t, "one of them works", func() bool {
		names, by := d.settled(t)
		last = by
		return len(names) >= 100
	})
	victim, heir := both[0], both[1]
	if victim.Process.Pid != last {
		victim, heir = heir, victim
	}
	require.NoError(t, victim.Process.Kill())
	require.Error(t, victim.Wait())
	e.fill(t, "payments", 0, items, 2)
	until(t, "the other goes on", func() bool {
		names, _ := d.settled(t)
		slices.Sort(names)
		return len(slices.Compact(names)) == items*versions
	})
	require.NoError(t, heir.Process.Signal(syscall.SIGTERM))
	require.NoError(t, heir.Wait())
	names, by := d.settled(t)
	whole(t, names, items)
	assert.Equal(t, heir.Process.Pid, by)
}

func TestAConsumerThatIsKilledHasAnHeir(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the lease of the one that is killed")
	}
	killed(t, newEndpoint(t, dynamodbtest.Start(t, dynamodbtest.Config{}).URL()))
}
