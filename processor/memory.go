package processor

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// mostInFlight is MaxInFlightBytes where no limit of memory is known.
	mostInFlight = 256 << 20
	// inFlightShare is the share of a limit that is in flight by default: as much
	// again may be garbage that is not collected yet.
	inFlightShare = 2
	// lambdaMemory is how AWS Lambda tells a function its memory, in MB.
	lambdaMemory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
)

// defaultInFlight is MaxInFlightBytes where it is not configured: half of the
// memory that the process may take, at most 256 MiB, and never less than what it
// needs to work at all.
func (c *Config) defaultInFlight(limit int64) int64 {
	return max(min(mostInFlight, limit/inFlightShare), c.memoryNeeded())
}

// memoryLimit is the smallest limit on the memory of this process that is known:
// that of Lambda, of its control group, or of the Go runtime.
func memoryLimit() int64 {
	return min(lambdaLimit(os.Getenv(lambdaMemory)), cgroupLimit(os.DirFS("/")), debug.SetMemoryLimit(-1))
}

func lambdaLimit(megabytes string) int64 {
	n, err := strconv.ParseInt(megabytes, 10, 32)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n << 20
}

// cgroupLimit is the smallest limit of the control group that the process is in
// and of those around it: memory.max of version 2, memory.limit_in_bytes of
// version 1 (see cgroups(7)). In a container the group of the process may be
// named as the host sees it, and only its root be there: that is looked at, too.
// What cannot be read is no limit.
func cgroupLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // id:controllers:path
		if len(fields) < 3 {
			continue
		}
		folder, file := "sys/fs/cgroup", "memory.max"
		switch {
		case hasMemory(fields[1]):
			folder, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case fields[1] != "":
			continue // another controller of version 1
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			limit = min(limit, readLimit(root, path.Join(folder, group, file)))
			if group == "/" {
				break
			}
		}
	}
	return limit
}

// hasMemory reports whether memory is one of the controllers.
func hasMemory(controllers string) bool {
	for name := range strings.SplitSeq(controllers, ",") {
		if name == "memory" {
			return true
		}
	}
	return false
}

// readLimit reads one number; "max" and everything else that is none is no
// limit.
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
