// Command unspool drains a folder of JSON files into a queue: each record once,
// none lost, and what cannot be delivered put aside with its reason.
//
//	unspool run --source ./feeds --sink sqs:feeds --select 'id,user=user.screen_name'
//
// "unspool help" explains the rest. The command is a thin layer over the
// library: parse.go and options.go turn flags and a file into settings,
// build.go turns those into a processor.Config.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

func main() { os.Exit(execute(os.Args[1:])) }

// execute runs the command in this process and returns its exit status.
func execute(args []string) int {
	// A reader of stdout that goes away is an error of a write, told and
	// counted like any other, and not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	goredis.SetLogger(silent{}) // it logs what its errors say too
	ctx, stop := drainOnSignal(context.Background(), os.Stderr)
	defer stop()
	return run(ctx, args, os.Stdout, os.Stderr)
}

// silent is a logger that logs nothing.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// sameSignal is how soon after the first a signal still counts as the same one:
// timeout(1) and shells signal the process and then its group.
const sameSignal = 500 * time.Millisecond

// drainOnSignal returns a context that ends with the first SIGINT or SIGTERM.
// The second one ends the process.
func drainOnSignal(parent context.Context, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		io.WriteString(stderr, "unspool: stopping: finishing what is in flight (a second signal stops at once)\n")
		cancel()
		for first := time.Now(); ; {
			<-signals
			if time.Since(first) >= sameSignal {
				os.Exit(exitStopped)
			}
		}
	}()
	return ctx, cancel
}
