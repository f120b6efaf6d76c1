package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// option is one setting: a flag of a command and a key of its file, under the
// same name.
type option struct {
	name string
	// arg stands for the value in the help; a switch, which needs none, has "". An
	// option that may be given again, with one value more, has an ellipsis at its
	// end.
	arg string
	// usage is the help text. It ends with the default where there is one.
	usage string
	// set stores the value, or says what is wrong with it.
	set func(*settings, string) error
}

// many reports whether the option may be given again.
func (o option) many() bool { return strings.HasSuffix(o.arg, "…") }

// group is a heading of the help with the options below it.
type group struct {
	title   string
	options []option
}

// runGroups lists every option of "unspool run", in the order of the help.
var runGroups = []group{
	{"Which files to read", slices.Concat([]option{
		{"source", "URL", "the folder to drain: a path or file:// URL, the http(s):// URL of a folder that nginx, Apache, Caddy " +
			"or Python lists (" + httpToken + " in the environment is sent as bearer token), s3://BUCKET/PREFIX, or gs://BUCKET/PREFIX (in " +
			"a build with -tags gs). Required",
			mandatory(func(s *settings) *string { return &s.Source })},
		{"header", "NAME:VALUE…", "send this header with each request to an http(s):// source; may be given again. With " +
			"NAME:env:VARIABLE the value is that of the variable, so that no secret stands on the command line",
			setHeader},
		{"ignore", "PATTERN…", "pass over files and folders whose name, not the path, matches, such as '*.bak'; may be given again",
			addPattern},
		{"include-hidden", "", "take names that begin with . or end with .tmp, too; else they count as not ready",
			toggle(func(s *settings) *bool { return &s.IncludeHidden })},
		{"flat", "", "pass over nested folders",
			toggle(func(s *settings) *bool { return &s.Flat })},
		{"min-age", "D", "leave files alone that were modified less than D ago. Default is no limit",
			duration(func(s *settings) *time.Duration { return &s.MinAge }, 0)},
		{"partitions", "LAYOUT", "how the folders of the source are named by time, in UTC and as Go writes times: 2006/01/02/15 or " +
			"dt=2006-01-02/hour=15, with * for any name (not with s3://). A web server, or a folder that is polled, is not asked " +
			"for those that are over and empty, but at each --rescan-interval",
			text(func(s *settings) *string { return &s.Partitions })},
		{"horizon", "D", "with --partitions: do not list folders whose time ended longer ago, whatever is in them. How many those " +
			"are is told at the end. Required with s3://, which lists no other folders then; else default is no limit",
			duration(func(s *settings) *time.Duration { return &s.Horizon }, time.Second)},
		{"name-time", "LAYOUT", "where the time stands at the beginning of the names of files, as Go writes times: " +
			"2006-01-02T15-04-05, with folders 2006/01/02/15-04-05, or unix, unixmilli, unixmicro, unixnano. The lag is told by it",
			text(func(s *settings) *string { return &s.NameTime })},
		{"order", "NAME", "what is taken first: oldest or newest by --name-time, or name by the name (not with http). " +
			"Default oldest with --name-time, else as it is listed",
			oneOf(func(s *settings) *string { return &s.Order }, "name", "oldest", "newest")},
	}, markerOptions, []option{mirrorOption})},
	{"How to read them", []option{
		{"compression", "NAME", "auto decodes gzip, zstd, bzip2 and xz, by name and first bytes; none reads files as they are. Default auto",
			oneOf(func(s *settings) *string { return &s.Compression }, "auto", "none")},
		{"format", "NAME", "how a file is cut into records: auto takes JSON as it comes (one value, an array's elements, " +
			"values one after the other), lines takes each line, whole takes the file. Default auto",
			oneOf(func(s *settings) *string { return &s.Format }, "auto", "lines", "whole")},
		{"records", "PATH", "the records are under this path of each value, such as statuses",
			text(func(s *settings) *string { return &s.Records })},
		{"preamble", "NAME", "auto takes off what stands before the JSON (comments, byte order mark, free text), " +
			"none takes nothing off. Default auto",
			oneOf(func(s *settings) *string { return &s.Preamble }, "auto", "none")},
	}},
	{"Files of CSV", csvOptions},
	{"Files of Parquet", parquetOptions},
	{"Order within files", sortOptions},
	{"What to make of it", []option{
		{"select", "FIELDS", "the fields to keep, as gjson paths with commas between them: id,user=user.screen_name. " +
			"A path without a name is named by its last part. Default is the whole record",
			text(func(s *settings) *string { return &s.Select })},
		{"missing", "NAME", "what becomes of a field of --select that a record does not have: omit leaves it out, " +
			"null makes it null, corrupt makes the record corrupt. Default omit",
			oneOf(func(s *settings) *string { return &s.Missing }, missingNames...)},
		{"record-id", "NAME", "add each record's identity, the same in every pass, as a field of this name",
			text(func(s *settings) *string { return &s.RecordID })},
	}},
	{"Where to send it", []option{
		{"sink", "URL", "sqs:QUEUE_URL_OR_NAME, file://DIR or stdout:. Required",
			mandatory(func(s *settings) *string { return &s.Sink })},
		{"pack", "NAME", "a message is an array of records, lines of them, or a single one. " +
			"Default array for sqs:, lines for the others",
			oneOf(func(s *settings) *string { return &s.Pack }, "array", "lines", "single")},
		{"per-object", "", "keep the records of different files in different messages, with the same ids in every pass",
			toggle(func(s *settings) *bool { return &s.PerObject })},
		{"target-bytes", "N", "fill messages up to N bytes. Default is what the queue takes at most (its MaximumMessageSize)",
			count(func(s *settings) *int { return &s.TargetBytes }, 1)},
		{"linger", "D", "how long a message that is not full waits for more while there is nothing to do; 0 is not at all. Default 1s",
			duration(func(s *settings) *time.Duration { return &s.Linger }, 0)},
		{"rate", "N", "send at most N records a second. Default is no limit",
			rate(func(s *settings) *float64 { return &s.Rate })},
		{"offload", "URL", "records too large for the queue go to s3://BUCKET/PREFIX, and a pointer to the queue. " +
			"Default is the corruption destination",
			text(func(s *settings) *string { return &s.Offload })},
	}},
	{"What is kept", []option{
		{"claims", "URL", "where is noted what is done: disk:PATH for one process, redis://HOST:PORT/DB?prefix=NAME, " +
			"dynamodb:TABLE or s3://BUCKET/PREFIX for many, memory:, which forgets. Use one for each source. " +
			"Default disk:SOURCE.unspool, beside the source",
			text(func(s *settings) *string { return &s.Claims })},
		{"lease", "D", "how long a claim lasts after its worker died. Default 1m",
			duration(func(s *settings) *time.Duration { return &s.Lease }, time.Second)},
		{"retry", "URL", "folder for what failed and may succeed later. Default CLAIMS-retry, beside the claims",
			text(func(s *settings) *string { return &s.Retry })},
		{"failed", "URL", "folder for what failed too often, or a queue of dead letters, sqs://QUEUE: \"unspool redrive\" looks into it, and nothing else does. Default CLAIMS-failed",
			text(func(s *settings) *string { return &s.Failed })},
		{"corruption", "URL", "folder for what is invalid, or a queue of dead letters. Default CLAIMS-corruption",
			text(func(s *settings) *string { return &s.Corruption })},
		{"max-retries", "N", "how often a record or file is tried again after its first failure. Default 10",
			count(func(s *settings) *int { return &s.MaxRetries }, 0)},
	}},
	{"How long and how hard", []option{
		{"watch", "", "go on with new files until stopped, instead of ending when all are done",
			toggle(func(s *settings) *bool { return &s.Watch })},
		{"settle", "D", "with --watch of a folder: how long a file must stay as it is where nobody can tell whether its writer is " +
			"done; 0 if files are renamed into place. Default 5s",
			duration(func(s *settings) *time.Duration { return &s.Settle }, 0)},
		{"poll", "", "with --watch of a folder: list it again and again, even where the system tells what appears",
			toggle(func(s *settings) *bool { return &s.Poll })},
		{"poll-interval", "D", "with --watch: how long to wait before a source is listed again that does not tell what appears. Default 1s",
			duration(func(s *settings) *time.Duration { return &s.PollInterval }, time.Millisecond)},
		{"rescan-interval", "D", "with --watch: how often everything is listed, to find what no other way would show. Default 5m",
			duration(func(s *settings) *time.Duration { return &s.RescanInterval }, time.Millisecond)},
		{"keys-grow", "", "with --watch of s3://: new keys are greater than those that are there, as where they begin with a time. " +
			"Only the end is listed then, and everything at each --rescan-interval",
			toggle(func(s *settings) *bool { return &s.KeysGrow })},
		{"max-time", "D", "stop after this time, such as 5m, and exit with status 3 if work is left. Default is no limit",
			duration(func(s *settings) *time.Duration { return &s.MaxTime }, time.Millisecond)},
		{"deadline-reduction", "D", "the last part of that time, kept for sending what is packed and giving back the rest; " +
			"also how long that may take after a signal. Default 1% of it, at least 1s and at most a quarter of it",
			duration(func(s *settings) *time.Duration { return &s.DeadlineReduction }, time.Millisecond)},
		{"concurrency", "N", "number of workers. Default is the number of processors",
			count(func(s *settings) *int { return &s.Concurrency }, 1)},
	}},
	{"What is shown", []option{
		{"dry-run", "", "print records before and after, and send and note nothing; needs no sink",
			toggle(func(s *settings) *bool { return &s.DryRun })},
		{"limit", "N", "how many records --dry-run prints. Default " + strconv.Itoa(dryRecords),
			count(func(s *settings) *int { return &s.Limit }, 1)},
		{"summary", "NAME", "form of the summary on stdout: text or json. Default text",
			oneOf(func(s *settings) *string { return &s.Summary }, "text", "json")},
		{"verbose", "", "log to stderr what the library is doing",
			toggle(func(s *settings) *bool { return &s.Verbose })},
	}},
}

// operatorOptions are those that "unspool run" does not have.
var operatorOptions = []option{
	{"grace", "D", "how long ago a lease must have expired for its file to count as stuck. Default 1m",
		duration(func(s *settings) *time.Duration { return &s.Grace }, 0)},
	{"whole", "", "process finished files again from their beginning, also what was delivered of them",
		toggle(func(s *settings) *bool { return &s.Whole })},
	{"to", "URL", "move files here, under the names that they have in the source: a folder of this machine, s3:// from s3://, " +
		"or a folder of the same web server",
		text(func(s *settings) *string { return &s.To })},
	{"delete", "", "delete files, instead of moving them",
		toggle(func(s *settings) *bool { return &s.Delete })},
	{"after", "D", "how long a file stays after it was finished, such as 24h. Required with --to and --delete",
		duration(func(s *settings) *time.Duration { return &s.After }, 0)},
	{"forget", "D", "have the claims forget files that somebody else took away, this long after they were finished, such as 720h: " +
		"one that comes back later is drained again. Default is never",
		duration(func(s *settings) *time.Duration { return &s.Forget }, time.Millisecond)},
	{"clock-skew", "D", "how far the clocks of the files and of the claims may be apart. Default 2s, and 10ms for a local folder with disk:",
		duration(func(s *settings) *time.Duration { return &s.ClockSkew }, 0)},
	{"json", "", "answer in JSON",
		toggle(func(s *settings) *bool { return &s.JSON })},
	{"part-bytes", "N", "how long a part is at most, before compression, unless one record is longer. Default 67108864; with --sink what a message holds",
		count(func(s *settings) *int { return &s.PartBytes }, 1)},
	{"part-records", "N", "how many records a part has at most. Default is no limit",
		count(func(s *settings) *int { return &s.PartRecords }, 1)},
	{"header-lines", "N", "repeat the first N lines of a file at the start of each part; with --format lines",
		count(func(s *settings) *int { return &s.HeaderLines }, 0)},
	{"ext", "EXT", "what the names of parts end in; they are compressed if that is .gz or .zst. Default .ndjson",
		text(func(s *settings) *string { return &s.Ext })},
	{"raw", "", "the lines of --format lines are no JSON, as those of CSV: they are taken as they are",
		toggle(func(s *settings) *bool { return &s.Raw })},
}

// findOption returns the option of that name, of whatever command: a file may
// serve them all.
func findOption(name string) (option, bool) {
	for _, o := range slices.Concat(append(groupsOf(runGroups), operatorOptions, redriveOptions)...) {
		if o.name == name {
			return o, true
		}
	}
	return option{}, false
}

func groupsOf(groups []group) [][]option {
	all := make([][]option, len(groups))
	for i, g := range groups {
		all[i] = g.options
	}
	return all
}

// mandatory is text that settings.check misses where it is empty.
func mandatory(field func(*settings) *string) func(*settings, string) error {
	return func(s *settings, value string) error {
		*field(s) = value
		return nil
	}
}

func text(field func(*settings) *string) func(*settings, string) error {
	return func(s *settings, value string) error {
		if value == "" {
			return errors.New("is empty")
		}
		*field(s) = value
		return nil
	}
}

func oneOf(field func(*settings) *string, names ...string) func(*settings, string) error {
	return func(s *settings, value string) error {
		if !slices.Contains(names, value) {
			return fmt.Errorf("%q is none of %s", value, strings.Join(names, ", "))
		}
		*field(s) = value
		return nil
	}
}

func toggle(field func(*settings) *bool) func(*settings, string) error {
	return func(s *settings, value string) error {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		*field(s) = b
		return nil
	}
}

func count(field func(*settings) *int, least int) func(*settings, string) error {
	return func(s *settings, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%q is no whole number", value)
		}
		if n < least {
			return fmt.Errorf("%d is below %d", n, least)
		}
		*field(s) = n
		return nil
	}
}

func rate(field func(*settings) *float64) func(*settings, string) error {
	return func(s *settings, value string) error {
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%q is no number", value)
		}
		if f <= 0 {
			return fmt.Errorf("%s is not above 0", value)
		}
		*field(s) = f
		return nil
	}
}

func duration(field func(*settings) *time.Duration, least time.Duration) func(*settings, string) error {
	return func(s *settings, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is no duration such as 90s or 5m", value)
		}
		if d < least {
			return fmt.Errorf("%v is below %v", d, least)
		}
		*field(s) = d
		return nil
	}
}
