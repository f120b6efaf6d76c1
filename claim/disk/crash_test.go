package disk_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
)

// childEnv makes the test binary a worker on the store in a folder.
const childEnv = "UNSPOOL_DISK_TEST_CHILD"

// childConfig lets the kill meet segments being written and merged.
var childConfig = disk.Config{Recent: 200}

// runChild claims, completes and releases until it is killed. What it prints,
// it has been promised.
func runChild(dir string) {
	ctx := context.Background()
	s, err := disk.Open(dir, childConfig)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("open")
	for i := 0; ; i++ {
		keys := make([]string, 30)
		for j := range keys {
			keys[j] = fmt.Sprintf("%d-%d-%d", os.Getpid(), i, j)
		}
		results, err := s.Claim(ctx, "child", strconv.Itoa(i), keys, time.Hour)
		if err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("claimed", i)
		var leases []claim.Lease
		for _, r := range results {
			leases = append(leases, r.Lease)
		}
		if err := s.Complete(ctx, leases[:20]); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("completed", i)
		var back []claim.Return
		for _, l := range leases[20:25] {
			l.Progress = "half"
			back = append(back, claim.Return{Lease: l, Counted: true})
		}
		if err := s.Release(ctx, back); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("released", i)
	}
}

func TestNothingPromisedIsLostWhenTheProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	completed := make(map[string]bool)
	claimed := make(map[string]bool)
	released := make(map[string]bool)
	for round := range 10 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(t, lines.Scan())
		require.Equal(t, "open", lines.Text())
		if round == 0 {
			_, err := disk.Open(dir, childConfig)
			require.ErrorIs(t, err, disk.ErrLocked)
		}
		timer := time.AfterFunc(time.Duration(1+rand.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
		for lines.Scan() {
			what, i, _ := strings.Cut(lines.Text(), " ")
			from, to, set := 0, 30, claimed
			switch what {
			case "claimed":
			case "completed":
				from, to, set = 0, 20, completed
			case "released":
				from, to, set = 20, 25, released
			default:
				t.Fatalf("child: %s", lines.Text())
			}
			for j := from; j < to; j++ {
				set[fmt.Sprintf("%d-%s-%d", cmd.Process.Pid, i, j)] = true
			}
		}
		timer.Stop()
		require.Error(t, cmd.Wait(), "it was killed")

		s, err := disk.Open(dir, childConfig)
		require.NoError(t, err, "round %d", round)
		var keys []string
		for key := range claimed {
			keys = append(keys, key)
		}
		entries, err := s.Inspect(t.Context(), keys)
		require.NoError(t, err)
		for _, e := range entries {
			switch {
			case completed[e.Key]:
				require.Equal(t, claim.Finished, e.State, "completed key %s, round %d", e.Key, round)
			case e.State == claim.Finished: // killed between the sync and the promise
			default:
				require.Equal(t, claim.Free, e.State, "void lease of %s", e.Key)
				require.Equal(t, 1, e.Attempt, "claimed key %s", e.Key)
				if released[e.Key] {
					require.Equal(t, "half", e.Progress, "released key %s", e.Key)
				}
			}
		}
		n, err := s.Count(t.Context())
		require.NoError(t, err)
		listed := int64(0)
		for _, err := range s.Completed(t.Context()) {
			require.NoError(t, err)
			listed++
		}
		require.Equal(t, n.Finished, listed)
		require.NoError(t, s.Close())
	}
	require.NotEmpty(t, completed)
	t.Logf("%d keys claimed, %d completed, %d released", len(claimed), len(completed), len(released))
}
