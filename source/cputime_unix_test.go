//go:build unix

package source

import (
	"syscall"
	"time"
)

// cpuTime is how long this process has been at work, which on a busy machine is
// less than what has passed.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
