package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/faultproxy"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/redis"
)

const (
	// envObserver makes the test binary an observer that is killed: it holds the
	// address of its store, by way of a bad network, and that of the server itself.
	envObserver = "UNSPOOL_TEST_OBSERVER"
	// calledKey is the list in which observers note their callbacks.
	calledKey    = "called"
	killArrivals = 40
)

var killSet = completion.Set{Bucket: "b", Prefix: "out/", Run: "killed"}

// observe is an observer in a process of its own.
func observe(addresses string) error {
	ctx := context.Background()
	through, direct, _ := strings.Cut(addresses, " ")
	network, notes := patient(through), patient(direct)
	defer network.Close()
	defer notes.Close()
	store, err := redis.New(network, redis.Config{})
	if err != nil {
		return err
	}
	observer, err := completion.New(completion.Config{
		Store: store, Lease: time.Second,
		Policy: completion.Policy{
			Window: 2, Delay: completion.Constant(time.Second),
			Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
				return completion.Expectation{Count: killArrivals}, nil
			},
		},
		Complete: func(ctx context.Context, c completion.Completion) error {
			note := fmt.Sprintf("%d %d %d %s", os.Getpid(), c.Attempt, c.Count.Objects, c.ID())
			if err := notes.RPush(ctx, calledKey, note).Err(); err != nil {
				return err
			}
			select { // time to be killed in
			case <-time.After(300 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		return err
	}
	_, err = observer.Watch(ctx, killSet, nil)
	return err
}

// patient is a client that finds out soon that an answer was lost.
func patient(addr string) *goredis.Client {
	return goredis.NewClient(&goredis.Options{
		Addr: addr, DialerRetries: 1, MaxRetries: -1, ContextTimeoutEnabled: true,
		ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
	})
}

// Observers are killed while they look and while they call back, and their connections
// break: the set completes once, with all that came, and each call about it has a number
// of its own.
func TestKilledObservers(t *testing.T) {
	kills := 4
	if testtool.Brief() || testing.Short() {
		kills = 1
	}
	addr := start(t)
	bad, err := faultproxy.Start(addr, faultproxy.Random(7, faultproxy.Odds{Refuse: 0.1, LoseAnswers: 0.1, Cut: 0.1}))
	require.NoError(t, err)
	t.Cleanup(bad.Close)
	var direct net.Dialer
	c := client(t, addr, direct.DialContext)

	self, err := os.Executable()
	require.NoError(t, err)
	running := map[int]*exec.Cmd{}
	begin := func() {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), envObserver+"="+bad.Addr()+" "+addr)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		running[cmd.Process.Pid] = cmd
	}
	kill := func(pid int) bool {
		cmd, ok := running[pid]
		if ok {
			delete(running, pid)
			assert.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait() // it was killed
			begin()
		}
		return ok
	}
	t.Cleanup(func() {
		for _, cmd := range running {
			_ = cmd.Process.Kill() // where the test has failed
			_ = cmd.Wait()
		}
	})
	for range 3 {
		begin()
	}

	throughNetwork := patient(bad.Addr())
	t.Cleanup(func() { assert.NoError(t, throughNetwork.Close()) })
	monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: store(t, throughNetwork, redis.Config{})})
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range killArrivals {
		for range 1 + rng.IntN(2) { // some are told of twice
			arrive(t, monitor, fmt.Sprint("part-", i))
		}
		if i%(killArrivals/kills) == killArrivals/kills-1 {
			for pid := range running {
				kill(pid)
				break
			}
		}
	}
	watched := store(t, c, redis.Config{})
	called := func() []string {
		notes, err := c.LRange(t.Context(), calledKey, 0, -1).Result()
		require.NoError(t, err)
		return notes
	}
	inTheAct := 0
	require.Eventually(t, func() bool {
		if notes := called(); len(notes) > 0 && inTheAct < kills {
			pid, _, _ := strings.Cut(notes[len(notes)-1], " ")
			n, err := strconv.Atoi(pid)
			require.NoError(t, err)
			if kill(n) {
				inTheAct++
			}
		}
		rec, err := watched.Look(t.Context(), killSet)
		require.NoError(t, err)
		return rec.Status.Fired
	}, time.Minute, 20*time.Millisecond)
	for pid, cmd := range running { // all see that it is over
		delete(running, pid)
		assert.NoError(t, cmd.Wait())
	}

	rec, err := watched.Look(t.Context(), killSet)
	require.NoError(t, err)
	assert.Equal(t, completion.Count{Arrivals: killArrivals, Objects: killArrivals}, rec.Count)
	attempts := map[string]bool{}
	for _, note := range called() {
		parts := strings.SplitN(note, " ", 4)
		require.Len(t, parts, 4)
		assert.False(t, attempts[parts[1]], "two calls have one number: %s", note)
		attempts[parts[1]] = true
		assert.Equal(t, strconv.Itoa(killArrivals), parts[2])
		assert.Equal(t, completion.Completion{Set: killSet}.ID(), parts[3])
	}
	assert.NotEmpty(t, attempts)
}

// arrive tells a monitor of an object until it is counted.
func arrive(t *testing.T, monitor *completion.Monitor, key string) {
	t.Helper()
	err := errors.New("not tried")
	for range 100 {
		if _, err = monitor.Arrive(t.Context(), killSet, completion.Object(key, 0)); err == nil {
			return
		}
	}
	require.NoError(t, err)
}
