package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// writeSummary writes what became of everything, in the form asked for: one
// line of JSON with the fields of [processor.Response], or a few lines of text.
func writeSummary(w io.Writer, form string, r processor.Response) error {
	out := []byte(summaryText(r))
	if form == "json" {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
		out = append(line, '\n')
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

func summaryText(r processor.Response) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}

	row("status", "%s after %v", r.Status, (time.Duration(r.RuntimeMs) * time.Millisecond).Round(10*time.Millisecond))
	row("objects", "%s finished%s", digits(r.Finished), some(
		part{r.Skipped, "done before"}, part{r.Held, "held or waiting"}, part{r.Released, "given back"},
		part{r.Vanished, "vanished"}, part{r.Lost, "lost to other workers"}))
	if r.LagMs > 0 {
		row("lag", "%v: the age of the oldest that is left", (time.Duration(r.LagMs) * time.Millisecond).Round(time.Second))
	}
	row("records", "%s loaded: %s delivered%s", digits(r.Loaded), digits(r.Delivered), some(
		part{r.Dropped, "dropped"}, part{r.RetryErrors, "to retry"}, part{r.CorruptionErrors, "corrupt"},
		part{r.FailedErrors, "failed"}))
	row("messages", "%s in %s calls, %s%s", digits(r.Messages), digits(r.Batched), bytesText(r.Bytes), some(
		part{r.Resent, "calls repeated"}))
	for _, d := range []struct{ name, url string }{
		{"retry", r.RetryURL}, {"corruption", r.CorruptionURL}, {"failed", r.FailedURL},
	} {
		if d.url != "" {
			row(d.name, "%s", d.url)
		}
	}
	if r.Abandoned > 0 {
		row("abandoned", "%s calls had not returned", digits(r.Abandoned))
	}
	for _, e := range r.Errors {
		row("error", "%s", printable(e))
	}
	return b.String()
}

// printable escapes what a terminal would obey or not show: names of files may
// hold anything.
func printable(text string) string {
	quoted := strconv.Quote(text)
	if quoted[1:len(quoted)-1] == strings.ReplaceAll(text, `"`, `\"`) {
		return text
	}
	return quoted
}

// part is a count that the summary leaves out where it is zero.
type part struct {
	n    int64
	name string
}

// some lists the parts that are not zero, each after a comma.
func some(parts ...part) string {
	var text strings.Builder
	for _, p := range parts {
		if p.n != 0 {
			text.WriteString(", " + digits(p.n) + " " + p.name)
		}
	}
	return text.String()
}

// digits writes n with a comma between every three digits.
func digits(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// bytesText writes n bytes in the largest unit that keeps it at 1 or above.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
