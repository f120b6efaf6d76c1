package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// checkQueue reads the queue and fails unless it holds each good record once.
func checkQueue(messages []sqstest.Message, want spooltest.Expected) error {
	var ids []int64
	for i, m := range messages {
		var records []struct{ ID int64 } // beyond what a float64 can hold
		if err := json.Unmarshal([]byte(m.Body), &records); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		for _, r := range records {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	if !slices.Equal(ids, want.Delivered) {
		return fmt.Errorf("the queue holds %d records, of which %d are different; it should hold each of %d once",
			len(ids), len(slices.Compact(ids)), len(want.Delivered))
	}
	return nil
}

// checkCorruption reads what was put by and fails unless it is exactly the
// broken records of each file. It returns one of the reasons.
func checkCorruption(folder string, want spooltest.Expected) (example string, err error) {
	found := map[string]int{}
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			var record struct{ Object, Reason string }
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			found[record.Object]++
			example = record.Object + ": " + record.Reason
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if !maps.Equal(found, want.Corrupt) {
		return "", fmt.Errorf("corrupt records of %d files were put by, not those of %d", len(found), len(want.Corrupt))
	}
	return example, nil
}

// comma writes n with separators: 20,000.
func comma[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
