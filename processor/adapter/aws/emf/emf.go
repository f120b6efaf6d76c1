package emf

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// Config describes the metrics. The zero value works.
type Config struct {
	// Namespace defaults to [Namespace].
	Namespace string
	// Function is the value of the dimension [FunctionName]. Defaults to none,
	// and no such dimension.
	Function string
	// Dimensions are further ones, of all metrics. Each combination of values
	// makes new metrics: an id of a request must not be among them.
	Dimensions []Dimension
	// Only limits the metrics to those named. The line holds the others all the
	// same. Defaults to all of this package.
	Only []string
}

// Dimension is a part of what identifies a metric.
type Dimension struct{ Name, Value string }

// Limits of the format and of CloudWatch.
const (
	maxDimensions = 30
	maxNamespace  = 255
	maxName       = 255
	maxValue      = 1024
)

// Writer writes lines. It is safe for concurrent use.
type Writer struct {
	namespace  string
	dimensions []Dimension
	only       []string

	mu  sync.Mutex
	out io.Writer
}

// New returns a writer of lines to out, each in one Write. It writes nothing yet,
// and reports every mistake in cfg.
func New(out io.Writer, cfg Config) (*Writer, error) {
	w := &Writer{out: out, namespace: cfg.Namespace, only: slices.Clone(cfg.Only)}
	if w.namespace == "" {
		w.namespace = Namespace
	}
	if cfg.Function != "" {
		w.dimensions = append(w.dimensions, Dimension{FunctionName, cfg.Function})
	}
	w.dimensions = append(w.dimensions, cfg.Dimensions...)
	if err := w.validate(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Writer) validate() error {
	var errs []error
	if len(w.namespace) > maxNamespace || !printable(w.namespace) || strings.HasPrefix(w.namespace, "AWS/") {
		errs = append(errs, fmt.Errorf("Config.Namespace: %q is none that metrics can have", w.namespace))
	}
	if len(w.dimensions) > maxDimensions {
		errs = append(errs, fmt.Errorf("Config.Dimensions: %d are more than %d", len(w.dimensions), maxDimensions))
	}
	seen := map[string]bool{"_aws": true}
	for name := range units {
		seen[name] = true // a member cannot be both
	}
	for _, d := range w.dimensions {
		switch {
		case len(d.Name) > maxName || !printable(d.Name) || strings.HasPrefix(d.Name, ":"):
			errs = append(errs, fmt.Errorf("Config.Dimensions: %q is no name of a dimension", d.Name))
		case seen[d.Name]:
			errs = append(errs, fmt.Errorf("Config.Dimensions: the name %q is taken", d.Name))
		}
		seen[d.Name] = true
		if len(d.Value) > maxValue || !printable(d.Value) {
			errs = append(errs, fmt.Errorf("Config.Dimensions: %s: %q is no value of a dimension", d.Name, d.Value))
		}
	}
	for _, name := range w.only {
		if _, ok := units[name]; !ok {
			errs = append(errs, fmt.Errorf("Config.Only: there is no metric %q", name))
		}
	}
	return errors.Join(errs...)
}

// printable reports whether CloudWatch takes s as a name or value: ASCII, and not
// only spaces.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) != ""
}

// Run writes the line of a Run, a Watch, a Do or a handler of events. A nil
// reporter, that of a call that never got under way, writes nothing: Lambda counts
// its error. A reporter of the user's own is written as it marshals, which must be
// to an object. If it does not, or to one that CloudWatch would not take, the line
// holds the plain response, and the error says so.
func (w *Writer) Run(rep processor.Reporter) error {
	if rep == nil || rep.BaseResponse() == nil {
		return nil
	}
	resp := rep.BaseResponse()
	more := map[string]float64{StatusError: failed(resp.Status), CorruptRatio: 0}
	if resp.Loaded > 0 {
		more[CorruptRatio] = float64(resp.CorruptionErrors) / float64(resp.Loaded)
	}
	root, err := members(rep)
	if err != nil {
		err = fmt.Errorf("emf: the reporter is left out of the line: %w", err)
		var worse error
		if root, worse = members(resp); worse != nil {
			return errors.Join(err, worse)
		}
	}
	return errors.Join(err, w.write(root, more))
}

// Check writes the line of a check.
func (w *Writer) Check(rep processor.CheckReport) error {
	more := map[string]float64{
		StatusError: failed(rep.Status), OverdueMs: 0,
		Processing: float64(rep.Counts.Processing), Stuck: float64(rep.Counts.Expired),
		Waiting: float64(rep.Counts.Waiting), Completed: float64(rep.Counts.Finished),
	}
	if !rep.Oldest.IsZero() {
		more[OverdueMs] = float64(max(0, time.Since(rep.Oldest)).Milliseconds())
	}
	root, err := members(rep)
	if err != nil {
		return fmt.Errorf("emf: %w", err)
	}
	return w.write(root, more)
}

// Archive writes the line of an archiver.
func (w *Writer) Archive(rep processor.ArchiveReport) error {
	root, err := members(rep)
	if err != nil {
		return fmt.Errorf("emf: %w", err)
	}
	return w.write(root, map[string]float64{StatusError: failed(rep.Status)})
}
