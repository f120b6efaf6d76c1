package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/processor/redrive/sqsbox"
)

// redriveOptions are those that only "unspool redrive" has, but for record, which
// explains as well.
var redriveOptions = []option{
	{"from", "PLACE", "what to look through: failed, corruption or retry, which are destinations of \"unspool run\", or sqs:QUEUE, of dead letters",
		setFrom},
	{"reason", "TEXT", "only what has this text in its reason; of a message that is its attribute \"reason\"",
		text(func(s *settings) *string { return &s.Reason })},
	{"class", "NAME", "only what failed of this: retryable, corrupt, interrupted or fatal",
		oneOf(func(s *settings) *string { return &s.Class }, "retryable", "corrupt", "interrupted", "fatal")},
	{"object", "PREFIX", "only what comes from files whose key begins so; of a message that is its attribute \"object\"",
		text(func(s *settings) *string { return &s.Object })},
	{"record", "ID", "only the record with this identity, as --record-id adds it",
		setRecord},
	{"since", "TIME", "only what was put aside, or sent, at that time or later: 2026-11-22T10:15:00Z, or 24h for so long ago",
		moment(func(s *settings) *time.Time { return &s.Since })},
	{"until", "TIME", "only what was put aside, or sent, before that time",
		moment(func(s *settings) *time.Time { return &s.Until })},
	{"where", "PATH=VALUE…", "only records with this value there, as a gjson path; of a message it is enough that one of its records " +
		"has it; may be given again, and then all have to hold",
		addField},
}

// redriveGroups are the options of "unspool redrive".
var redriveGroups = []group{
	{"What to look through", slices.Concat(optionsOf("from"), []option{
		renamed("source", "URL", "the source of that run: the places of the destinations follow from it, unless they are given"),
		renamed("claims", "URL", "the claims of that run, likewise"),
	}, optionsOf("retry", "failed", "corruption"))},
	{"What of it", optionsOf("reason", "class", "object", "record", "since", "until", "where")},
	{"Where to replay it", []option{
		renamed("sink", "URL", "send it: sqs:QUEUE_URL_OR_NAME, file://DIR or stdout:. A message goes as it is, a record as a message of its own, "+
			"untransformed. Default is the retry destination, for the next run to work on; required from that and from sqs:"),
		renamed("pack", "NAME", "of records that are sent: a message is an array of one, a line, or the record. Default array for sqs:, lines for the others"),
	}},
	{"How long and how hard", []option{
		renamed("rate", "N", "replay at most N a second. Default is no limit"),
		renamed("limit", "N", "replay at most N. Default is all"),
		renamed("max-time", "D", "stop after this time, and exit with status 3 if work is left. Default is no limit"),
		renamed("dry-run", "", "count, and show examples; replay nothing"),
		renamed("json", "", "answer in JSON"),
	}},
}

const redriveHelp = `Usage: unspool redrive --from PLACE [options]

Looks through what lies aside and replays what of it is wanted, once what it failed
of is mended. Try --dry-run first: it counts by reason, and shows examples.

What is replayed is removed only after the replay was acknowledged, and a file only
after all of its records were; the records that stay are put into another one. So
nothing is lost, and after a crash, or beside another redrive, some may come twice.
Tickets, which stand for whole files, stay: "unspool retry" is for them.

A queue is looked through by receiving its messages: each counts as received once
more, and others do not see it until the end.
` + configOption

const redriveTail = `
Exit status: 0 all that was wanted is replayed; 1 some of it could not be, or it
failed; 2 wrong usage or configuration; 3 stopped with work left (deadline, signal).
`

// setFrom is --from.
func setFrom(s *settings, value string) error {
	queue, isQueue := strings.CutPrefix(value, "sqs:")
	if isQueue {
		if _, err := sqsbox.New(new(awssqs.Client), queue, sqsbox.Config{}); err != nil {
			return err
		}
	} else if !slices.Contains([]string{"failed", "corruption", "retry"}, value) {
		return fmt.Errorf("%q is none of failed, corruption, retry, sqs:QUEUE", value)
	}
	s.From = value
	return nil
}

// setRecord is --record.
func setRecord(s *settings, value string) error {
	s.Record = value
	return redrive.CheckRecordID(value)
}

// moment is a time, or how long ago.
func moment(field func(*settings) *time.Time) func(*settings, string) error {
	return func(s *settings, value string) error {
		if d, err := time.ParseDuration(value); err == nil && d >= 0 {
			*field(s) = time.Now().Add(-d)
			return nil
		}
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fmt.Errorf("%q is neither a time such as 2026-11-22T10:15:00Z nor a duration such as 24h", value)
		}
		*field(s) = at
		return nil
	}
}

// addField adds a field of --where.
func addField(s *settings, text string) error {
	path, value, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		return fmt.Errorf("%q is no PATH=VALUE", text)
	}
	s.Where = append(s.Where, redrive.Field{Path: path, Value: value})
	return nil
}

// checkRedrive is the check of "unspool redrive".
func checkRedrive(s *settings) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	queue := strings.HasPrefix(s.From, "sqs:")
	given := map[string]string{"failed": s.Failed, "corruption": s.Corruption, "retry": s.Retry}
	switch {
	case s.From == "":
		bad("--from: required")
	case queue:
	case given[s.From] == "" && s.Source == "" && s.Claims == "":
		bad("--from: %s: where is that? --%s, --source or --claims tells", s.From, s.From)
	}
	if s.Sink == "" && !s.DryRun {
		switch {
		case queue || s.From == "retry":
			bad("--sink: required from %s, unless with --dry-run", s.From)
		case s.From != "" && s.Retry == "" && s.Source == "" && s.Claims == "":
			bad("--sink: required, unless --retry, --source or --claims tells where the retry destination is")
		}
	}
	if s.Pack != "" && (s.Sink == "" || queue) {
		bad("--pack: only with --sink, and not from sqs:")
	}
	if !s.Since.IsZero() && !s.Until.IsZero() && !s.Since.Before(s.Until) {
		bad("--until: is not after --since")
	}
	return errs
}

// runRedrive is "unspool redrive".
func runRedrive(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	j := &job{}
	cfg, err := buildRedrive(ctx, j, w.settings, errs, stdout)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	defer j.Close()
	report, err := redrive.Run(ctx, cfg)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = told(errStopped)
	}
	err = errors.Join(err, j.Close())
	if werr := answer(stdout, w.JSON, report, redriveText(report, time.Now())); werr != nil {
		return errors.Join(err, werr)
	}
	if err == nil && report.Refused+report.Unreadable > 0 {
		return told(errors.New("some could not be replayed"))
	}
	return err
}

// buildRedrive makes what redrive needs of settings, in which errs were found already,
// and has j close what was opened for it.
func buildRedrive(ctx context.Context, j *job, set settings, errs []error, stdout io.Writer) (redrive.Config, error) {
	cfg := redrive.Config{
		Where: redrive.Filter{
			Reason: set.Reason, Class: set.Class, Object: set.Object, Record: set.Record,
			Since: set.Since, Before: set.Until, Fields: set.Where,
		},
		DryRun: set.DryRun, Rate: set.Rate, Limit: int64(max(0, set.Limit)),
	}
	closeStores, err := openStores(ctx, set.stores()...)
	if err != nil {
		errs = append(errs, err)
	}
	j.closers = append(j.closers, closeStores)
	folder := ""
	if set.Source != "" && kindOf(set.Source) == kindFolder {
		if folder, _, err = localPath(set.Source); err != nil {
			errs = append(errs, &optionError{"source", err})
		}
	}
	places, more := plan(set, folder)
	if err := usage(append(errs, more...)); err != nil {
		return cfg, err
	}
	if cfg.From, err = openBox(ctx, set, places); err != nil || set.DryRun {
		return cfg, err
	}
	if set.Sink == "" {
		cfg.To, err = redrive.ToRetry(places.retry)
		return cfg, err
	}
	to, err := j.openSink(ctx, set, stdout)
	if err != nil {
		return cfg, err
	}
	cfg.To, err = redrive.ToSink(to, redrive.Packing(packing(set).Mode))
	return cfg, err
}

// openBox opens what --from names.
func openBox(ctx context.Context, set settings, places places) (redrive.Box, error) {
	if queue, ok := strings.CutPrefix(set.From, "sqs:"); ok {
		return openDeadLetters(ctx, queue, set.Rate)
	}
	return redrive.NewPlace(map[string]string{"failed": places.failed, "corruption": places.corruption, "retry": places.retry}[set.From])
}

// replayTime is how long the messages of one request may take to be replayed: well
// below the time for which they are hidden.
const replayTime = 100 * time.Second

func openDeadLetters(ctx context.Context, queue string, rate float64) (redrive.Box, error) {
	aws, err := awsSettings(ctx)
	if err != nil {
		return nil, err
	}
	var cfg sqsbox.Config
	if n := rate * replayTime.Seconds(); rate > 0 && n < 10 {
		cfg.AtOnce = max(1, int(n))
	}
	return sqsbox.New(awssqs.NewFromConfig(aws), queue, cfg)
}

func redriveText(r redrive.Report, now time.Time) string {
	var t rows
	t.add("seen", "%s, of which %s match%s", digits(r.Seen), digits(r.Matched), some(
		part{r.Tickets, "tickets match too, and stay"}, part{r.Unreadable, "files cannot be read"}))
	if !r.DryRun {
		t.add("replayed", "%s%s", digits(r.Replayed), some(part{r.Refused, "refused, and left where they are"}))
	}
	byCount := func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Reasons[b], r.Reasons[a]), strings.Compare(a, b))
	}
	for i, reason := range slices.SortedFunc(maps.Keys(r.Reasons), byCount) {
		name := ""
		if i == 0 {
			name = "reasons"
		}
		t.add(name, "%s of: %s", digits(r.Reasons[reason]), printable(cmp.Or(reason, "no reason given")))
	}
	for _, e := range r.Examples {
		exampleText(&t, "example", e, now)
	}
	for _, e := range r.Errors {
		t.add("error", "%s", printable(e))
	}
	return t.String()
}

// exampleText tells a letter in full.
func exampleText(t *rows, name string, e redrive.Example, now time.Time) {
	t.add(name, "%s", printable(e.ID))
	if e.Object != "" {
		t.add("", "%s at offset %s%s", printable(e.Object), digits(e.Offset), some(part{int64(e.Attempt), "attempts"}))
	}
	if !e.Time.IsZero() {
		t.add("", "%s (%s)", e.Time.UTC().Format(time.RFC3339), ago(e.Time, now))
	}
	if e.Reason != "" {
		t.add("", "%s", printable(e.Reason))
	}
	t.add("", "%s: %s", bytesText(int64(e.Bytes)), printable(e.Data))
}
