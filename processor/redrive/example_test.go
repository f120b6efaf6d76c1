package redrive_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/unspool-go/unspool/processor/redrive"
)

// What failed because a table was missing is tried again, now that it is there.
func Example() {
	aside, err := os.MkdirTemp("", "aside")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(aside)
	failed, retry := filepath.Join(aside, "failed"), filepath.Join(aside, "retry")
	if err := fill(failed); err != nil {
		fmt.Println(err)
		return
	}

	from, err := redrive.NewPlace(failed)
	if err != nil {
		fmt.Println(err)
		return
	}
	to, err := redrive.ToRetry(retry)
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := redrive.Config{From: from, To: to, Where: redrive.Filter{Reason: "no such table"}, DryRun: true}
	for _, cfg.DryRun = range []bool{true, false} {
		report, err := redrive.Run(context.Background(), cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d of %d match, %d replayed\n", report.Matched, report.Seen, report.Replayed)
		for _, e := range report.Examples {
			fmt.Printf("for example %s: %s (%s)\n", e.Object, e.Data, e.Reason)
		}
	}
	// Output:
	// 1 of 2 match, 0 replayed
	// for example day.json: {"id":1} (no such table)
	// 1 of 2 match, 1 replayed
}

// fill stands for a run of the processor, of which two records failed.
func fill(failed string) error {
	if err := os.MkdirAll(failed, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(failed, "day.json~0123456789abcdef.ndjson"), []byte(
		`{"unspool":1,"object":"day.json","offset":0,"class":"retryable","reason":"no such table","time":"2026-11-22T10:00:00Z","data":"{\"id\":1}"}`+"\n"+
			`{"unspool":1,"object":"day.json","offset":9,"class":"retryable","reason":"timed out","time":"2026-11-22T10:00:00Z","data":"{\"id\":2}"}`+"\n"), 0o600)
}
