package processor

import (
	"math"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/memory"
)

func TestMemoryLimitOfLambda(t *testing.T) {
	for text, want := range map[string]int64{
		"128": 128 << 20, "10240": 10240 << 20, "": math.MaxInt64, "0": math.MaxInt64, "-1": math.MaxInt64, "much": math.MaxInt64,
		"99999999999": math.MaxInt64,
	} {
		assert.Equal(t, want, lambdaLimit(text), text)
	}
}

func TestMemoryLimitOfControlGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":                      {nil, math.MaxInt64},
		"version 2":                 {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "134217728\n"}, 128 << 20},
		"version 2 without a limit": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.MaxInt64},
		"the smallest of those around": {map[string]string{
			"proc/self/cgroup":                                      "0::/system.slice/unspool.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                 "1000000",
			"sys/fs/cgroup/system.slice/unspool.service/memory.max": "2000000",
		}, 1000000},
		"a container that sees the host's path": {map[string]string{
			"proc/self/cgroup": "0::/kubepods/pod1/abc\n", "sys/fs/cgroup/memory.max": "5000",
		}, 5000},
		"version 1": {map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/\n4:memory:/docker/abc\n1:name=systemd:/\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "300",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":            "9223372036854771712",
			"sys/fs/cgroup/memory.max":                              "1",
		}, 300},
		"both": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "300",
			"sys/fs/cgroup/memory.max":                   "200",
		}, 200},
		"nonsense":      {map[string]string{"proc/self/cgroup": "a\n::\n0::/../../x\n0::\n", "sys/fs/cgroup/memory.max": "-5"}, math.MaxInt64},
		"unreadable":    {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max/folder": ""}, math.MaxInt64},
		"paths go back": {map[string]string{"proc/self/cgroup": "0::/../a\n", "sys/fs/cgroup/a/memory.max": "7"}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range c.files {
				root[path] = &fstest.MapFile{Data: []byte(text)}
			}
			assert.Equal(t, c.want, cgroupLimit(root))
		})
	}
}

// The default is half of the limit, between what is needed and 256 MiB.
func TestMemoryInFlight(t *testing.T) {
	c := Config{Sink: memory.New(memory.Config{}), RetryURL: "r", FailedURL: "f", CorruptionURL: "c", Concurrency: 2}.withDefaults()
	for limit, want := range map[int64]int64{
		math.MaxInt64: 256 << 20, 1 << 30: 256 << 20, 256 << 20: 128 << 20, 128 << 20: 64 << 20, 1 << 20: c.memoryNeeded(),
	} {
		assert.Equal(t, want, c.defaultInFlight(limit), limit)
	}
	c.MaxInFlightBytes = c.defaultInFlight(1)
	require.NoError(t, c.validate())
}

// The smallest Lambda function has room for what is needed, with and without
// batches.
func TestMemoryOfTheSmallestLambda(t *testing.T) {
	t.Setenv(lambdaMemory, "128")
	for _, c := range []Config{
		{Sink: memory.New(memory.Config{})}, {Processor: BatchFunc(nil)}, {Processor: BatchFunc(nil), BatchSize: 100},
	} {
		c.RetryURL, c.FailedURL, c.CorruptionURL = "r", "f", "c"
		s, err := New(c)
		require.NoError(t, err)
		assert.LessOrEqual(t, s.cfg.MaxInFlightBytes, int64(64<<20))
	}
}
