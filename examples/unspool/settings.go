package main

import (
	"net/http"
	"time"

	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/transform"
)

// settings is what a command was told, by flags, by a file or by default.
type settings struct {
	// What to read.
	Source        string
	Header        http.Header
	Ignore        []string
	IncludeHidden bool
	Flat          bool
	MinAge        time.Duration
	Partitions    string
	Horizon       time.Duration
	Compression   string
	Order         string
	NameTime      string
	Format        string
	Records       string
	Preamble      string
	Marker        string
	Merge         bool
	Mirror        string
	// What files are made of.
	CSV              []string
	CSVDelimiter     rune
	CSVQuotes        string
	CSVSingleLine    bool
	CSVHeader        string
	CSVNames         []string
	CSVColumns       []csv.Column
	CSVType          string
	CSVEmpty         string
	CSVMissing       string
	CSVCharset       string
	CSVMaxRows       int
	CSVMaxRowBytes   int
	Parquet          []string
	ParquetColumns   []string
	ParquetOmitNulls bool
	Sort             []sorted.Key
	SortTime         string
	SortMemory       int
	// What to make of it.
	Select   string
	Missing  string
	RecordID string
	// Where to send it.
	Sink        string
	Pack        string
	PerObject   bool
	TargetBytes int
	Linger      time.Duration
	Rate        float64
	Offload     string
	// What is kept.
	Claims     string
	Lease      time.Duration
	Retry      string
	Failed     string
	Corruption string
	MaxRetries int
	// How long and how hard.
	Watch             bool
	Settle            time.Duration
	Poll              bool
	PollInterval      time.Duration
	RescanInterval    time.Duration
	KeysGrow          bool
	MaxTime           time.Duration
	DeadlineReduction time.Duration
	Concurrency       int
	// What is shown.
	DryRun  bool
	Limit   int
	Summary string
	Verbose bool
	// Of the operators' commands only.
	Grace     time.Duration
	Whole     bool
	To        string
	Delete    bool
	After     time.Duration
	Forget    time.Duration
	ClockSkew time.Duration
	JSON      bool
	// Of "unspool redrive" only, but for Record.
	From   string
	Reason string
	Class  string
	Object string
	Record string
	Since  time.Time
	Until  time.Time
	Where  []redrive.Field
	// Of "unspool split" only.
	PartBytes   int
	PartRecords int
	HeaderLines int
	Ext         string
	Raw         bool
}

// Values that mean "not given" where the zero value is a legal choice.
const (
	unset      = -1
	dryRecords = 10 // default of --limit
)

// missingNames are the names of the policies for missing fields.
var missingNames = []string{transform.MissingOmit: "omit", transform.MissingNull: "null", transform.MissingCorrupt: "corrupt"}

// defaults are the settings before any flag or file.
func defaults() settings {
	return settings{
		Compression: "auto",
		Format:      "auto",
		Preamble:    "auto",
		Missing:     missingNames[transform.MissingOmit],
		Lease:       time.Minute,
		Linger:      time.Second,
		MaxRetries:  10,
		Settle:      unset,
		Limit:       unset,
		Summary:     "text",
		Grace:       time.Minute,
		After:       unset,
		ClockSkew:   unset,
	}
}
