package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/unspool-go/unspool/processor"
)

// Exit statuses.
const (
	exitOK      = 0 // everything listed is settled, or held by other workers
	exitFailed  = 1 // the run failed
	exitUsage   = 2 // wrong usage or configuration
	exitStopped = 3 // stopped by a deadline or a signal, with work left
)

// run is the whole command but for the process around it: args without the
// command's name, and the exit status as result. ctx ends when the command is
// to stop.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		io.WriteString(stderr, helpText)
		return exitUsage
	}
	switch cmd, args := args[0], args[1:]; cmd {
	case "run":
		return runDrain(ctx, args, stdout, stderr)
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, "unspool", version())
		return exitOK
	case "help", "--help", "-help", "-h":
		if len(args) > 0 && args[0] == "run" {
			writeRunHelp(stdout)
			return exitOK
		}
		io.WriteString(stdout, helpText)
		return exitOK
	default:
		fmt.Fprintf(stderr, "unspool: no command %q; there are run, version and help\n", cmd)
		return exitUsage
	}
}

// version is the module's version, where the build knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// runDrain is "unspool run".
func runDrain(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, help, errs := parse(args)
	switch {
	case help:
		writeRunHelp(stdout)
		return exitOK
	case set.DryRun:
		return runDry(ctx, set, errs, stdout, stderr)
	}
	if set.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, set.MaxTime)
		defer cancel()
	}

	status := newStatusLine(stderr)
	job, err := build(ctx, set, errs, stdout, status)
	if err != nil {
		if errors.Is(err, errUsage) {
			return usageError(stderr, err)
		}
		fmt.Fprintln(stderr, "unspool:", err)
		return exitFailed
	}
	defer job.Close()
	for _, line := range job.Notes {
		fmt.Fprintln(stderr, "unspool:", line)
	}

	start := job.Service.Run
	if set.Watch {
		start = job.Service.Watch
	}
	reporter, err := start(ctx)
	status.Done()
	if closeErr := job.Close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	return conclude(set, reporter, err, stdout, stderr)
}

// conclude writes the summary and returns the exit status.
func conclude(set settings, reporter processor.Reporter, err error, stdout, stderr io.Writer) int {
	if reporter == nil {
		fmt.Fprintln(stderr, "unspool:", err)
		return exitFailed
	}
	resp := *reporter.BaseResponse()
	if werr := writeSummary(stdout, set.Summary, resp); werr != nil {
		err = errors.Join(err, werr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "unspool:", err)
	}
	switch {
	case err != nil || resp.Status == processor.StatusError:
		return exitFailed
	case resp.Status == processor.StatusStopped:
		return exitStopped
	}
	return exitOK
}

// errUsage marks the errors that the user's command line or file is to blame
// for.
var errUsage = errors.New("wrong usage")

// usageError prints every mistake in err, one a line.
func usageError(stderr io.Writer, err error) int {
	for mistake := range strings.Lines(err.Error()) {
		fmt.Fprintln(stderr, "unspool:", strings.TrimSuffix(mistake, "\n"))
	}
	fmt.Fprintln(stderr, `unspool: see "unspool run --help"`)
	return exitUsage
}
