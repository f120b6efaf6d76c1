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
	name, args := args[0], args[1:]
	switch name {
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, "unspool", version())
		return exitOK
	case "help", "--help", "-help", "-h":
		if len(args) > 0 {
			if c, ok := findCommand(args[0]); ok {
				c.writeHelp(stdout)
				return exitOK
			}
		}
		io.WriteString(stdout, helpText)
		return exitOK
	}
	c, ok := findCommand(name)
	if !ok {
		fmt.Fprintf(stderr, "unspool: no command %q; \"unspool help\" lists them\n", name)
		return exitUsage
	}
	w, errs := c.parse(args)
	if w.help {
		c.writeHelp(stdout)
		return exitOK
	}
	if w.MaxTime > 0 && !w.DryRun {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.MaxTime)
		defer cancel()
	}
	err := c.do(ctx, w, errs, stdout, stderr)
	if errors.Is(err, errUsage) {
		return c.usageError(stderr, err)
	}
	if err != nil && !errors.Is(err, errTold) {
		fmt.Fprintln(stderr, "unspool:", err)
	}
	return exitStatus(err)
}

var (
	// errUsage marks the errors that the user's command line or file is to blame
	// for.
	errUsage = errors.New("wrong usage")
	// errStopped means that a deadline or a signal came before the end.
	errStopped = errors.New("stopped with work left")
	// errTold marks the errors that stand in what was written already.
	errTold = errors.New("told")
)

// exitStatus is the exit status of a command that ended with err.
func exitStatus(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errStopped):
		return exitStopped
	}
	return exitFailed
}

// told marks err as one that needs not be printed.
func told(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errTold, err)
}

// version is the module's version, where the build knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// runDrain is "unspool run".
func runDrain(ctx context.Context, w words, errs []error, stdout, stderr io.Writer) error {
	set := w.settings
	if set.DryRun {
		return runDry(ctx, set, errs, stdout, stderr)
	}
	status := newStatusLine(stderr)
	job, err := build(ctx, set, errs, stdout, status)
	if err != nil {
		return err
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
	tellPassedOver(stderr, set, job.PassedOver())
	return conclude(set, reporter, err, stdout)
}

// tellPassedOver says what was left out because the user asked for that.
func tellPassedOver(stderr io.Writer, set settings, folders int64) {
	if folders > 0 {
		fmt.Fprintf(stderr, "unspool: %s folders are older than --horizon %v: not listed\n", digits(folders), set.Horizon)
	}
}

// conclude writes the summary and returns what the run ended with.
func conclude(set settings, reporter processor.Reporter, err error, stdout io.Writer) error {
	if reporter == nil {
		return err
	}
	resp := *reporter.BaseResponse()
	if werr := writeSummary(stdout, set.Summary, resp); werr != nil {
		err = errors.Join(err, werr)
	}
	switch {
	case err != nil:
		return err
	case resp.Status == processor.StatusError:
		return told(errors.New(resp.Status))
	case resp.Status == processor.StatusStopped:
		return told(errStopped)
	}
	return nil
}

// usageError prints every mistake in err, one a line.
func (c *command) usageError(stderr io.Writer, err error) int {
	for mistake := range strings.Lines(err.Error()) {
		fmt.Fprintln(stderr, "unspool:", strings.TrimSuffix(mistake, "\n"))
	}
	fmt.Fprintf(stderr, "unspool: see \"unspool %s --help\"\n", c.name)
	return exitUsage
}
