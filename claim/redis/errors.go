package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// mismatchCode begins the answer of a script that found another layout.
const mismatchCode = "UNSPOOLLAYOUT"

// hopeless are the codes of answers that waiting cannot mend. Everything else
// is an outage: a server that is away, starts (LOADING), was demoted
// (READONLY), has lost its master (MASTERDOWN) or part of its cluster
// (CLUSTERDOWN), is full (OOM), cannot write (MISCONF) or is busy (BUSY,
// TRYAGAIN, max number of clients), and whatever a proxy may say.
var hopeless = []string{"NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "WRONGTYPE", "CROSSSLOT"}

// classify marks an error of the client with whose fault it is.
func (s *Store) classify(ctx context.Context, err error) error {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		if errors.Is(err, redis.ErrClosed) {
			return fault.Fatal(fmt.Errorf("%w: %w", claim.ErrClosed, err))
		}
		if fault.Is(err, fault.ClassFatal) {
			return err
		}
		if ended := endOf(ctx); ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err)
		}
		return fault.Interrupted(err)
	}
	switch code := codeOf(answer.Error()); {
	case code == mismatchCode:
		_, have, _ := strings.Cut(answer.Error(), " ")
		return fault.Fatal(fmt.Errorf("the store has the layout %q, not %q: "+
			"all its workers must have the same Shards, Buckets and Horizon, and a version that can share it", have, s.layout.text))
	case slices.Contains(hopeless, code),
		(code == "MOVED" || code == "ASK") && !s.cluster, // a cluster needs a ClusterClient
		code == "ERR" && brokenScript(answer.Error()):
		return fault.Fatal(err)
	}
	return fault.Interrupted(err)
}

// endOf is ctx.Err, but sees the deadline at once: a connection that has the
// same deadline may fail a moment before the context ends.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// brokenScript tells errors of running a script from what proxies say.
func brokenScript(text string) bool {
	return strings.Contains(text, "user_script") || strings.Contains(text, "unknown command")
}

// codeOf returns the code that an error answer begins with. Before version 7,
// Redis hides that of a command which failed inside a script: "ERR Error
// running script (call to f_…): @user_script:9: @user_script: 9: -OOM command
// not allowed …".
func codeOf(text string) string {
	if strings.HasPrefix(text, "ERR ") {
		if _, inner, ok := strings.Cut(text, ": -"); ok {
			text = inner
		}
	}
	code, _, _ := strings.Cut(text, " ")
	return code
}
