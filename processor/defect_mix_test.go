package processor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

// Everything that can happen to a record, and a deadline at any moment: each
// line is settled once, and the call returns in time. Lines whose Process never
// returned before the deadline may have been applied as well.
func TestDefectAnyMixOfFatesIsSettledOnce(t *testing.T) {
	for seed := range rounds(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { mixOfFates(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func mixOfFates(t *testing.T, random *rand.Rand) {
	lines := numbered(1 + random.IntN(300))
	kinds := []string{"ok", "ok", "ok", "error", "corrupt", "panic", "exit", "slow", "wait", "stuck"}[:1+random.IntN(10)]
	width := random.IntN(3) * 400
	for i := range lines {
		lines[i] = kinds[random.IntN(len(kinds))] + " " + lines[i] + strings.Repeat(".", width)
	}
	p := newPush(t, t.TempDir(), nil)
	p.cfg.Concurrency = 1 + random.IntN(6)
	p.cfg.Pack.PerObject = random.IntN(2) == 0
	release := make(chan struct{})
	p.cfg.Processor = lineFunc(func(ctx context.Context, line string) error {
		kind, _, _ := strings.Cut(line, " ")
		switch kind {
		case "error":
			return errNotNow
		case "corrupt":
			return processor.NewDataCorruption("bad")
		case "panic":
			panic(line)
		case "exit":
			runtime.Goexit()
		case "slow":
			time.Sleep(500 * time.Millisecond)
		case "wait":
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		case "stuck":
			<-release
			return nil
		}
		p.done.add(line)
		return nil
	})
	if random.IntN(2) == 0 {
		p.cfg.Processor = withPost{p.cfg.Processor, func(context.Context) error { return nil }}
	}
	p.cfg.DeadlineReduction = 5 * time.Second
	_, post := p.cfg.Processor.(withPost)
	limit := 5*time.Second + time.Duration(random.IntN(20_000))*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	t.Logf("%d lines of %d bytes, fates %v, %d workers, per object %v, with Post %v, %v",
		len(lines), len(lines[0]), kinds, p.cfg.Concurrency, p.cfg.Pack.PerObject, post, limit)
	began := time.Now()
	resp, err := p.do(ctx, text(lines), "data/numbers.txt")
	require.NoError(t, err)
	assert.Less(t, time.Since(began), limit)
	assert.EqualValues(t, len(lines), resp.Loaded)
	p.settledOnce(lines)
	close(release) // synctest waits for those who wait for it
}
