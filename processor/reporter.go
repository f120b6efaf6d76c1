package processor

import (
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Status values of a [Response].
const (
	// StatusOK means that everything there was is settled, or held by others.
	StatusOK = "ok"
	// StatusStopped means that the deadline or a cancellation came first: what
	// is left was given back, or is in the retry destination.
	StatusStopped = "stopped"
	// StatusError means that the call failed; Errors says why. What was not
	// settled is still there to be processed.
	StatusError = "error"
)

// Response is the outcome of one call. Its JSON is the summary line.
//
// For records, Loaded = Delivered + Dropped + RetryErrors + CorruptionErrors +
// FailedErrors always holds, and Processed = Delivered + Dropped.
type Response struct {
	Status string
	// Errors holds the first few distinct errors, cut to a bounded length.
	Errors    []string `json:",omitempty"`
	StartTime time.Time
	RuntimeMs int64

	SourceURL      string `json:",omitempty"`
	DestinationURL string `json:",omitempty"`
	RetryURL       string `json:",omitempty"` // set once something was written there
	FailedURL      string `json:",omitempty"`
	CorruptionURL  string `json:",omitempty"`

	Loaded           int64 // records that got a fate
	Processed        int64 // Delivered + Dropped
	Delivered        int64 // accepted by the sink, or processed without error
	Dropped          int64 // the transform gave no output
	RetryErrors      int64 // durably in RetryURL
	CorruptionErrors int64 // durably in CorruptionURL
	FailedErrors     int64 // durably in FailedURL
	ProcessingErrors int64 // errors that Transform or Process returned, panics included
	// LoadTimeouts counts the records among RetryErrors that the deadline kept
	// from being processed.
	LoadTimeouts int64
	// SplitGroups counts groups of Config.GroupBy that were too large for one
	// call and got several.
	SplitGroups int64
	// Returned counts records that were read but given back with their object,
	// to be loaded in a later pass.
	Returned int64

	Objects  int64 // objects claimed by this call
	Finished int64 // of those, finished
	Skipped  int64 // objects that were done before this call, by its first listing
	Held     int64 // objects in the last listing that others hold, or that wait
	Released int64 // objects given back unfinished
	Vanished int64 // objects that were gone when they were opened
	Lost     int64 // objects whose lease was lost: another worker may repeat them
	Removed  int64 // objects deleted or moved because they were done
	// Abandoned counts calls into user code that had not returned when the call
	// had to.
	Abandoned int64

	// Oldest is the time of the oldest object that the call knows to be neither
	// finished nor in work: one that others hold, that was given back, or that a
	// listing met when work had to stop. It is the time in its name where the
	// source tells that (see [source.Dater]), else when it was last modified. It is
	// zero where there is none or no time is known; LagMs is how long ago it was.
	Oldest time.Time `json:",omitzero"`
	LagMs  int64

	Messages  int64 // accepted by the sink
	Batched   int64 // calls of Send, or of ProcessBatch
	Resent    int64 // Send calls that repeated a message
	Bytes     int64 // of message bodies accepted
	ReadBytes int64 // decoded bytes read: PreambleBytes + SeparatorBytes + record bytes

	PreambleBytes  int64
	SeparatorBytes int64
}

// Reporter carries the response of a call and whatever a user adds to it by
// embedding [BaseReporter]:
//
//	type URLReporter struct {
//		processor.BaseReporter
//		ByResponseCode map[int]int
//	}
type Reporter interface {
	// BaseResponse returns the response. The service fills it in before the
	// call returns; while records are processed only the URLs and StartTime are
	// set.
	BaseResponse() *Response
}

// BaseReporter is the reporter to embed in one's own.
type BaseReporter struct{ *Response }

// BaseResponse returns the response.
func (r *BaseReporter) BaseResponse() *Response { return r.Response }

// NewReporter returns a plain reporter.
func NewReporter() Reporter { return &BaseReporter{Response: &Response{Status: StatusOK}} }

const (
	maxErrors     = 20  // distinct errors kept
	maxErrorBytes = 256 // of each
)

// errorList keeps the first few distinct errors. It is safe for concurrent use.
type errorList struct {
	mu   sync.Mutex
	list []string
}

func (l *errorList) add(err error) {
	text := clip(err.Error(), maxErrorBytes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= maxErrors {
		return
	}
	if slices.Contains(l.list, text) {
		return
	}
	l.list = append(l.list, text)
}

func (l *errorList) strings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list
}

// clip cuts s to at most n bytes, at a character boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
