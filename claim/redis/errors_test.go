package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// reply is an error that a server answers.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestClassesOfErrors(t *testing.T) {
	s := &Store{layout: newLayout("unspool", 1, 1, 0)}
	for _, err := range []error{
		reply("LOADING Redis is loading the dataset in memory"),
		reply("READONLY You can't write against a read only replica. script: 1, on @user_script:9."),
		reply("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
		reply("CLUSTERDOWN The cluster is down"),
		reply("CLUSTERDOWN Hash slot not served"),
		reply("TRYAGAIN Multiple keys request during rehashing of slot"),
		reply("OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:9."),
		reply("ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM command not allowed when used memory > 'maxmemory'."),
		reply("ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You can't write against a read only replica."),
		reply("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."),
		reply("NOREPLICAS Not enough good replicas to write."),
		reply("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
		reply("ERR max number of clients reached"),
		reply("upstream failure"),
		&net.OpError{Op: "dial", Err: errors.New("connection refused")},
		io.EOF,
		context.DeadlineExceeded,
		redis.ErrPoolTimeout,
	} {
		assert.Equal(t, fault.ClassInterrupted, fault.Of(s.classify(t.Context(), err)), err)
	}
	for _, err := range []error{
		reply("NOAUTH Authentication required."),
		reply("WRONGPASS invalid username-password pair or user is disabled."),
		fmt.Errorf("connect: %w", reply("NOPERM this user has no permissions to run the 'evalsha' command")),
		reply("ERR Error running script (call to f_1): @user_script:9: -NOPERM this user has no permissions"),
		reply("WRONGTYPE Operation against a key holding the wrong kind of value"),
		reply("CROSSSLOT Keys in request don't hash to the same slot"),
		reply("MOVED 3999 127.0.0.1:6381"), // to a client that knows no cluster
		reply("ERR unknown command 'EVALSHA'"),
		reply("ERR user_script:12: Script attempted to access nonexistent global variable 'x' script: 1, on @user_script:12."),
		reply("UNSPOOLLAYOUT 2 shards=1"),
		redis.ErrClosed,
	} {
		assert.Equal(t, fault.ClassFatal, fault.Of(s.classify(t.Context(), err)), err)
	}
	assert.ErrorIs(t, s.classify(t.Context(), redis.ErrClosed), claim.ErrClosed)
	s.cluster = true
	assert.Equal(t, fault.ClassInterrupted, fault.Of(s.classify(t.Context(), reply("MOVED 3999 127.0.0.1:6381"))))
	assert.Contains(t, s.classify(t.Context(), reply("UNSPOOLLAYOUT 2 shards=1")).Error(), `has the layout "2 shards=1", not "1 shards=1 `)
}
