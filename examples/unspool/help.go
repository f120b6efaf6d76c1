package main

import (
	"fmt"
	"io"
	"strings"
)

const helpText = `unspool drains a folder of JSON files into a queue: each record once, none lost.

  unspool run --source DIR --sink sqs:QUEUE   drain the folder; see "unspool run --help"
  unspool run --source DIR --dry-run          show what would be sent
  unspool version                             print the version
  unspool help                                print this

AWS settings come from the standard environment: AWS_REGION, AWS_PROFILE,
AWS_ACCESS_KEY_ID and so on; AWS_ENDPOINT_URL_SQS for a stand-in.
`

const runHelpHead = `Usage: unspool run --source URL --sink URL [options]

Each option is also a key of the file that --config names, in YAML, without the
dashes; what the command line says wins.

  --config FILE
        read options from this file
`

const runHelpTail = `
stdout carries the summary (and before it the records, with --sink stdout: or
--dry-run); all else is on stderr. SIGINT and SIGTERM finish what is in flight and
give back the rest; a second one stops at once.

Exit status: 0 everything listed is settled, or held by other workers; 1 the run
failed; 2 wrong usage or configuration; 3 stopped with work left (deadline, signal).

AWS settings come from the standard environment (AWS_REGION, AWS_PROFILE,
AWS_ENDPOINT_URL_SQS and so on).
`

// writeRunHelp writes the help of "unspool run".
func writeRunHelp(w io.Writer) {
	io.WriteString(w, runHelpHead)
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, o := range g.options {
			fmt.Fprintln(w, strings.TrimRight("  --"+o.name+" "+o.arg, " "))
			for _, line := range wrap(o.usage) {
				fmt.Fprintf(w, "        %s\n", line)
			}
		}
	}
	io.WriteString(w, runHelpTail)
}

// wrap breaks text into lines of at most 72 bytes, at spaces.
func wrap(text string) []string {
	const width = 72
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
