package emf

// Namespace is the default namespace of the metrics.
const Namespace = "unspool"

// FunctionName is the name of the dimension that Config.Function is the value of.
const FunctionName = "FunctionName"

// Metrics of every report.
const (
	// RuntimeMs is how long the call took, in milliseconds.
	RuntimeMs = "RuntimeMs"
	// StatusError is 1 for a call that failed and 0 for any other.
	StatusError = "StatusError"
)

// Metrics of a [processor.Response]: those of Run, Watch and Do, and of the
// handlers of events. They are the fields of that name, but for CorruptRatio.
const (
	Loaded           = "Loaded"
	Delivered        = "Delivered"
	Dropped          = "Dropped"
	RetryErrors      = "RetryErrors"
	CorruptionErrors = "CorruptionErrors"
	FailedErrors     = "FailedErrors"
	LoadTimeouts     = "LoadTimeouts"
	// CorruptRatio is CorruptionErrors by Loaded, between 0 and 1; 0 where
	// nothing was loaded.
	CorruptRatio = "CorruptRatio"

	Objects   = "Objects"
	Finished  = "Finished"
	Held      = "Held"
	Released  = "Released"
	Vanished  = "Vanished"
	Lost      = "Lost"
	Abandoned = "Abandoned"
	// LagMs is the age of the oldest object that is neither finished nor in work,
	// in milliseconds; 0 where there is none.
	LagMs = "LagMs"

	Messages = "Messages"
	Bytes    = "Bytes"
)

// Metrics of the handlers of events, beside those of a [processor.Response].
const (
	// Received is the number of objects, messages or changes in the event.
	Received = "Received"
	// Unsettled is how many of them the runtime was told to deliver again.
	Unsettled = "Unsettled"
	// Refused is how many of them were not for this function.
	Refused = "Refused"
)

// Metrics of a [processor.CheckReport]. Released, Held, Finished and Lost are
// counted as well.
const (
	// Expired is how many leases were found overdue.
	Expired = "Expired"
	// Failed is how many objects were given up, or could not be archived.
	Failed = "Failed"
	// OverdueMs is how long the longest overdue lease had expired, in
	// milliseconds; 0 where there is none.
	OverdueMs = "OverdueMs"
	// Processing, Stuck, Waiting and Completed are the keys in the claim store
	// after the check: with a live lease, with one that expired, given back, and
	// finished.
	Processing = "Processing"
	Stuck      = "Stuck"
	Waiting    = "Waiting"
	Completed  = "Completed"
)

// Metrics of a [processor.ArchiveReport]. Objects, Bytes and Failed are counted
// as well.
const (
	Unfinished = "Unfinished"
	Archived   = "Archived"
	Changed    = "Changed"
	Collided   = "Collided"
	Forgotten  = "Forgotten"
)

// unit is a unit of CloudWatch.
type unit string

const (
	count        unit = "Count"
	bytes        unit = "Bytes"
	milliseconds unit = "Milliseconds"
	none         unit = "None"
)

// units lists all metrics: a member of a report with such a name and a number for
// its value is one.
var units = map[string]unit{
	RuntimeMs: milliseconds, StatusError: count,

	Loaded: count, Delivered: count, Dropped: count, RetryErrors: count, CorruptionErrors: count, FailedErrors: count,
	LoadTimeouts: count, CorruptRatio: none,
	Objects: count, Finished: count, Held: count, Released: count, Vanished: count, Lost: count, Abandoned: count,
	LagMs: milliseconds, Messages: count, Bytes: bytes,

	Received: count, Unsettled: count, Refused: count,

	Expired: count, Failed: count, OverdueMs: milliseconds,
	Processing: count, Stuck: count, Waiting: count, Completed: count,

	Unfinished: count, Archived: count, Changed: count, Collided: count, Forgotten: count,
}
