package main

import (
	"context"
	"errors"
	"io"
	"slices"
)

// command is one of the words that may follow "unspool".
type command struct {
	name       string
	files      string // how the help calls the files that it takes; "" for none
	head, tail string // of its help, around the options
	groups     []group
	check      func(*settings) []error // of options that are missing or do not go together
	// do does it, unless there are mistakes: it adds those that it finds to errs,
	// and returns them all, marked errUsage. Other errors are printed, but for
	// those marked errTold.
	do func(ctx context.Context, w words, errs []error, stdout, stderr io.Writer) error
}

// commands are all that there are, but for version and help.
var commands = []command{
	{name: "run", head: runHelpHead, tail: runHelpTail, groups: runGroups, check: checkRun, do: runDrain},
	{
		name: "status", head: statusHelp, tail: lookTail,
		groups: operatorGroups("ignore", "include-hidden", "flat", "min-age", "partitions", "horizon", "name-time", "grace", "json"), check: checkOperator, do: runStatus,
	},
	{
		name: "explain", files: "FILE…", head: explainHelp, tail: lookTail,
		groups: operatorGroups("record", "from", "json"), check: checkExplain, do: runExplain,
	},
	{
		name: "release", files: "FILE…", head: releaseHelp, tail: filesTail,
		groups: operatorGroups("json"), check: checkOperator, do: runRelease,
	},
	{
		name: "retry", files: "FILE…", head: retryHelp, tail: filesTail,
		groups: operatorGroups("whole", "json"), check: checkOperator, do: runRetry,
	},
	{
		name: "check", head: checkHelp, tail: workTail,
		groups: operatorGroups("grace", "max-retries", "max-time", "json"), check: checkOperator, do: runCheck,
	},
	{
		name: "archive", head: archiveHelp, tail: workTail,
		groups: operatorGroups("to", "delete", "after", "forget", "clock-skew", "max-time", "json"), check: checkArchive, do: runArchive,
	},
	{name: "redrive", head: redriveHelp, tail: redriveTail, groups: redriveGroups, check: checkRedrive, do: runRedrive},
	{name: "split", head: splitHelp, tail: splitTail, groups: splitGroups, check: checkSplit, do: runSplit},
}

// findCommand returns the command of that name.
func findCommand(name string) (*command, bool) {
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		return nil, false
	}
	return &commands[i], true
}

// operatorGroups are the options of a command for operators: those that say where
// everything is, which are the same as of "unspool run", and its own.
func operatorGroups(own ...string) []group {
	places := group{title: "Where everything is: say the same as to \"unspool run\""}
	for _, name := range []string{"source", "header", "marker", "merge", "claims", "retry", "failed", "corruption"} {
		o, _ := findOption(name)
		if name == "source" {
			o.usage = "the folder that is drained: a path, file://, http(s)://, s3:// or gs:// URL. Required, unless --claims says enough"
		}
		places.options = append(places.options, o)
	}
	mine := group{title: "What to do"}
	mine.options = optionsOf(own...)
	return []group{places, mine}
}

// checkOperator is the check of a command for operators.
func checkOperator(s *settings) []error {
	errs := checkOrigin(s)
	if s.Source == "" && s.Claims == "" {
		errs = append(errs, errors.New("--source: required, unless --claims is given"))
	}
	return errs
}
