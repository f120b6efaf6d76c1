package main

import (
	"fmt"
	"io"
	"strings"
)

const helpText = `unspool drains a folder of JSON files into a queue: each record once, none lost.

  unspool run --source DIR --sink sqs:QUEUE   drain the folder
  unspool run --source DIR --dry-run          show what would be sent

  unspool status --source DIR          how much is done, what is left and what is stuck
  unspool explain --source DIR FILE…   all there is to know of files
  unspool release --source DIR FILE…   give back files whose worker died
  unspool retry --source DIR FILE…     try again what failed of files
  unspool check --source DIR           give back, or give up, what died workers left
  unspool archive --source DIR …       move or delete files that are finished
  unspool explain --record ID …        what became of one record
  unspool redrive --from PLACE …       look through what lies aside, and replay it

  unspool split --source DIR --to URL  cut large files into parts, or messages

  unspool COMMAND --help   the options of a command
  unspool version          print the version

AWS settings come from the standard environment: AWS_REGION, AWS_PROFILE,
AWS_ACCESS_KEY_ID and so on; AWS_ENDPOINT_URL_SQS for a stand-in. Those of Google
Cloud are its application default credentials; gs:// takes a build with -tags gs.
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

const configOption = `
Each option is also a key of the file that --config names, which may be the one
of "unspool run"; what the command line says wins.

  --config FILE
        read options from this file
`

const statusHelp = `Usage: unspool status --source URL [options]

How much is done, what is left and since when, what is stuck, and how much waits
in the destinations. It changes nothing, and can be asked while a run is going on.
` + configOption

const explainHelp = `Usage: unspool explain --source URL [options] FILE…

All there is to know of files: where each stands, who had it, how often and when,
how far it is, and what the destinations hold of it. A file is named by its path
below the source, or by a path that leads there. It changes nothing, and can be
asked while a run is going on.

With --record, the path of one record: which file it comes from and where in it,
what became of it, and where it lies if it could not be delivered. Name the file if
you know it: all of the source is looked at otherwise.
` + configOption

const releaseHelp = `Usage: unspool release --source URL [options] FILE…

Gives files back whose worker died, without waiting for "unspool check". A file
that a live worker holds is left alone. Attempts and checkpoints are kept.

There is no way to take a file from its worker: until its lease ends nobody can
tell a worker that is slow from one that died, and two would send the same records.
Stop the worker (SIGTERM gives back at once all that it holds), or wait until the
lease has ended, at most what was given to "unspool run" as --lease.
` + configOption

const retryHelp = `Usage: unspool retry --source URL [options] FILE…

Has files tried again that failed. Records in the failed destination go back to
the retry destination, and the rest of their file is left alone. A file that was
given up as a whole is forgotten by the claims, and so processed from its
beginning: what was delivered of it before is delivered again. With --whole, so
is a finished file of which nothing failed. A file that is not finished is given
back, as by "unspool release".
` + configOption

const checkHelp = `Usage: unspool check --source URL [options]

Gives back what died workers left, and moves files that used up their attempts to
the failed destination, with the reason. It can run at any time, beside workers
and other checks, and never takes from a live worker. With disk: a run does the
same by itself when it starts.
` + configOption

const archiveHelp = `Usage: unspool archive --source URL --to URL --after D [options]
       unspool archive --source URL --delete --after D [options]
       unspool archive --source URL --forget D [options]

Takes files away that are finished, so that they are never listed again, and then
has the claims forget them. Nothing else goes: not a file that is not finished, and
not one that came under its name later. Files are renamed where that can be done,
and otherwise copied, compared and removed; nothing is replaced. It can be killed
at any moment and run again, beside workers; one archiver works at a time.

A web server moves and deletes files by WebDAV, if it proves that it keeps to
conditions, as Apache's does and nginx's does not. Otherwise, archive on the machine
that has the files, with the folder as --source and the same --claims.

The claims of files that others took away stay for ever, unless with --forget, by
itself or with the others. Nothing is forgotten while the source is empty: it may
not be mounted. Do not use it where a part of the source may be away.
` + configOption

const lookTail = `
Exit status: 0 if all is well; 1 if it cannot be told, or a file is unknown;
2 wrong usage or configuration.
`

const filesTail = `
With disk: no run may be going on.

Exit status: 0 all files were set right; 1 some were left as they are, or it
failed; 2 wrong usage or configuration.
`

const workTail = `
With disk: no run may be going on.

Exit status: 0 all is done; 1 it failed; 2 wrong usage or configuration;
3 stopped with work left (deadline, signal).
`

// writeHelp writes the help of a command.
func (c *command) writeHelp(w io.Writer) {
	io.WriteString(w, c.head)
	for _, g := range c.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, o := range g.options {
			fmt.Fprintln(w, strings.TrimRight("  --"+o.name+" "+o.arg, " "))
			for _, line := range wrap(o.usage) {
				fmt.Fprintf(w, "        %s\n", line)
			}
		}
	}
	io.WriteString(w, c.tail)
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
