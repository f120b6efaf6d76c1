package emf

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// maxLine is the longest line that is certain to be taken for metrics, its end
// left out.
const maxLine = 256 << 10

// maxReport is how much of a line a report may take: the rest is for the metrics.
const maxReport = maxLine - 64<<10

// metadata is the member "_aws" of a line.
type metadata struct {
	Timestamp         int64 // milliseconds since 1970
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct {
	Name string
	Unit unit
}

// failed is the value of StatusError.
func failed(status string) float64 {
	if status == processor.StatusError {
		return 1
	}
	return 0
}

// members returns the members of a report, the root of a line.
func members(report any) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(report)
	if err != nil {
		return nil, fmt.Errorf("marshal the report: %w", err)
	}
	if len(text) > maxReport {
		return nil, fmt.Errorf("the report of %d bytes is too long for a line", len(text))
	}
	var root map[string]json.RawMessage
	if json.Unmarshal(text, &root) != nil || root == nil {
		return nil, errors.New("the report is no JSON object")
	}
	return root, nil
}

// write adds the metrics to the members of a report and writes them as one line.
func (w *Writer) write(root map[string]json.RawMessage, more map[string]float64) error {
	for name, value := range more {
		root[name] = raw(value)
	}
	var defined []definition
	for name, u := range units {
		if number(root[name]) && (len(w.only) == 0 || slices.Contains(w.only, name)) {
			defined = append(defined, definition{name, u})
		}
	}
	slices.SortFunc(defined, func(a, b definition) int { return strings.Compare(a.Name, b.Name) })
	names := make([]string, len(w.dimensions)) // not nil: an empty set is written as one
	for i, d := range w.dimensions {
		names[i], root[d.Name] = d.Name, raw(d.Value)
	}
	root["_aws"] = raw(metadata{
		Timestamp:         time.Now().UnixMilli(),
		CloudWatchMetrics: []directive{{w.namespace, [][]string{names}, defined}},
	})
	line, err := json.Marshal(root)
	if err != nil {
		return fmt.Errorf("emf: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("emf: write the line: %w", err)
	}
	return nil
}

// raw is the JSON of a value that has one.
func raw[T float64 | string | metadata](v T) json.RawMessage {
	text, _ := json.Marshal(v) // finite numbers, text and structs of these
	return text
}

// number reports whether a member of valid JSON is a number.
func number(member json.RawMessage) bool {
	return len(member) > 0 && (member[0] == '-' || member[0] >= '0' && member[0] <= '9')
}
