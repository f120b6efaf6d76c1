package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/unspool-go/unspool/transform"
)

// words is a command line taken apart.
type words struct {
	settings
	files []string // after the options
	help  bool     // was asked for; all else is then missing
}

// parse makes settings of the arguments after the command's name, and of the file
// they name. Flags win over the file wherever they stand. errs holds every
// mistake of both.
func (c *command) parse(args []string) (w words, errs []error) {
	given, file, files, errs := c.parseFlags(args)
	if slices.Contains(errs, flag.ErrHelp) {
		return words{help: true}, nil
	}
	w = words{settings: defaults(), files: files}
	if file != "" {
		errs = append(errs, w.load(file, given)...)
	}
	for _, g := range given {
		if err := g.option.set(&w.settings, g.value); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", g.option.name, err))
		}
	}
	switch {
	case c.files == "" && len(files) > 0:
		for _, f := range files {
			errs = append(errs, fmt.Errorf("unexpected argument %q", f))
		}
	case c.files != "" && len(files) == 0 && w.Record == "":
		errs = append(errs, fmt.Errorf("%s: names no file", c.name))
	}
	return w, append(errs, c.check(&w.settings)...)
}

// given is one flag as it stands on the command line.
type given struct {
	option option
	value  string
}

// parseFlags returns the flags in order, the name of the configuration file and
// what is no flag. It goes on after a mistake, so that all are found at once, but
// not after [flag.ErrHelp].
func (c *command) parseFlags(args []string) (all []given, file string, rest []string, errs []error) {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	times := map[string]int{}
	// first reports whether a flag was not given before. That it was is a
	// mistake, where the user meant both and only one can win.
	first := func(name string) bool {
		times[name]++
		if times[name] == 2 {
			errs = append(errs, fmt.Errorf("--%s: given twice", name))
		}
		return times[name] == 1
	}
	flags.Func("config", "", func(value string) error {
		if first("config") {
			file = value
		}
		return nil
	})
	for _, g := range c.groups {
		for _, o := range g.options {
			keep := func(value string) error {
				if o.many() || first(o.name) {
					all = append(all, given{o, value})
				}
				return nil
			}
			if o.arg == "" {
				flags.BoolFunc(o.name, "", keep)
			} else {
				flags.Func(o.name, "", keep)
			}
		}
	}
	for {
		err := flags.Parse(args)
		args = flags.Args()
		switch {
		case errors.Is(err, flag.ErrHelp):
			return nil, "", nil, []error{err}
		case err != nil:
			errs = append(errs, err)
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				args = args[1:] // most likely the value of the flag nobody knows
			}
		case len(args) == 0:
			return all, file, rest, errs
		default:
			rest = append(rest, args[0])
			args = args[1:]
		}
	}
}

// load applies the YAML file of that name: one mapping of option names to
// values, of which those count that no flag has given.
func (s *settings) load(name string, flags []given) []error {
	file, err := os.Open(name)
	if err != nil {
		return []error{fmt.Errorf("--config: %w", err)}
	}
	defer file.Close()
	var doc yaml.Node
	if err := yaml.NewDecoder(file).Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // an empty file says nothing
		}
		return []error{fmt.Errorf("%s: %w", name, err)}
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%s: line %d: not a mapping of option names to values", name, root.Line)}
	}
	var errs []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		to := s
		if slices.ContainsFunc(flags, func(g given) bool { return g.option.name == key.Value }) {
			to = new(settings) // for its mistakes
		}
		if err := to.apply(key.Value, value, seen); err != nil {
			errs = append(errs, fmt.Errorf("%s: line %d: %s: %w", name, key.Line, key.Value, err))
		}
	}
	return errs
}

// apply sets one key of the file.
func (s *settings) apply(key string, value *yaml.Node, seen map[string]bool) error {
	o, ok := findOption(key)
	switch {
	case !ok:
		return errors.New("no such option")
	case seen[key]:
		return errors.New("given twice")
	case value.Kind == yaml.AliasNode:
		value = value.Alias
	}
	seen[key] = true
	values := []*yaml.Node{value}
	if o.many() && value.Kind == yaml.SequenceNode {
		values = value.Content
	}
	var errs []error
	for _, v := range values {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
			errs = append(errs, errors.New("needs one value"))
			continue
		}
		errs = append(errs, o.set(s, v.Value))
	}
	return errors.Join(errs...)
}

// checkRun reports options of "unspool run" that are missing or do not go
// together.
func checkRun(s *settings) []error {
	errs := checkOrigin(s)
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Source == "" {
		bad("--source: required")
	}
	if s.Sink == "" && !s.DryRun {
		bad("--sink: required, unless with --dry-run")
	}
	if s.Missing != missingNames[transform.MissingOmit] && s.Select == "" {
		bad("--missing: only with --select")
	}
	switch {
	case s.NameTime == "" && (s.Order == "oldest" || s.Order == "newest"):
		bad("--order: %s needs --name-time", s.Order)
	case s.NameTime != "" && s.Order == "name":
		bad("--order: name is not an order by --name-time")
	}
	if s.Limit != unset && !s.DryRun {
		bad("--limit: only with --dry-run")
	}
	if s.Watch && s.DryRun {
		bad("--watch: not with --dry-run")
	}
	for _, o := range []struct {
		name  string
		given bool
	}{
		{"settle", s.Settle != unset}, {"poll", s.Poll}, {"poll-interval", s.PollInterval > 0},
		{"rescan-interval", s.RescanInterval > 0}, {"keys-grow", s.KeysGrow},
	} {
		if o.given && !s.Watch {
			bad("--%s: only with --watch", o.name)
		}
	}
	if s.Offload != "" && !strings.HasPrefix(s.Sink, "sqs:") {
		bad("--offload: only with --sink sqs:")
	}
	if s.MaxTime > 0 && s.DeadlineReduction >= s.MaxTime {
		bad("--deadline-reduction: %v leaves nothing of --max-time %v", s.DeadlineReduction, s.MaxTime)
	}
	return errs
}

// optionError is what is wrong with the value of an option, and names it in each
// line: mistakes are joined with one line for each.
type optionError struct {
	option string
	err    error
}

func (e *optionError) Error() string {
	prefix := "--" + e.option + ": "
	return prefix + strings.ReplaceAll(e.err.Error(), "\n", "\n"+prefix)
}

func (e *optionError) Unwrap() error { return e.err }

// usage joins mistakes to one error that marks errUsage, or nil if there are
// none.
func usage(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return &usageErrors{errs}
}

// usageErrors is a list of mistakes.
type usageErrors struct{ list []error }

func (e *usageErrors) Error() string        { return errors.Join(e.list...).Error() }
func (e *usageErrors) Unwrap() []error      { return e.list }
func (e *usageErrors) Is(target error) bool { return target == errUsage }
