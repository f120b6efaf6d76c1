//go:build linux

package chaostest

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// envRole says what a process is that the test binary was started as: a worker,
// the feeder, or a worker of a benchmark. It is empty in the test itself.
const envRole = "CHAOS_ROLE"

func TestMain(m *testing.M) {
	var role func() error
	switch os.Getenv(envRole) {
	case roleWorker:
		role = work
	case roleFeeder:
		role = feed
	case roleDrainer:
		role = drainAll
	default:
		goleak.VerifyTestMain(m)
		return
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// moment is a time on the clock that all processes of the machine share, in
// nanoseconds: the kernel's monotonic one, which nobody sets.
type moment int64

// never is later than any other moment.
const never = moment(1<<63 - 1)

func now() moment {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // Linux has had this clock since 2.6
	}
	return moment(t.Nano())
}
