package processor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// Config is everything a [Service] needs. The first group are the parts it is
// made of, set in code; the rest are plain values that [LoadConfig] reads from
// YAML or JSON. Apart from what is called required, the zero value works.
//
// For [Service.Run] and [Service.Watch]: Source, Claimer and either Sink or
// Processor. For [Service.Do]: Sink or Processor. Always: RetryURL, FailedURL
// and CorruptionURL, because without them there is no place for what cannot be
// delivered, and nothing may be lost.
type Config struct {
	// Source lists and opens the objects to drain. Required for Run and Watch.
	Source source.Source `yaml:"-"`
	// Claimer decides which worker works on an object. Required with Source.
	Claimer claim.Claimer `yaml:"-"`
	// Transform turns records into output values. Defaults to passing valid
	// JSON records on as they are.
	Transform transform.Transform `yaml:"-"`
	// Sink takes the packed messages. Required unless Processor is set.
	Sink sink.Sink `yaml:"-"`
	// Processor is a custom last stage in place of Transform and Sink.
	Processor Processor `yaml:"-"`
	// NewReporter makes the reporter of each call. Defaults to [NewReporter].
	NewReporter func() Reporter `yaml:"-"`
	// Logger receives a few structured lines, one summary among them, and never
	// a payload or a credential. Defaults to none.
	Logger *zap.Logger `yaml:"-"`
	// Progress, when not nil, is called about once a second during a call, from
	// one goroutine, with a snapshot of the response as far as it is known.
	Progress func(Response) `yaml:"-"`

	// Split says how objects are cut into records. If it has no Preamble and
	// Transform begins with transform.StripPreamble, that one is used.
	Split source.Split `yaml:"split"`
	// MaxObjectBytes is the largest object; a larger one is corrupt as a whole,
	// and is streamed to CorruptionURL as one record. Defaults to no limit.
	MaxObjectBytes int64 `yaml:"maxObjectBytes"`
	// ReplaceInvalidUTF8 puts U+FFFD in place of bytes that are not UTF-8.
	// Otherwise such records are corrupt.
	ReplaceInvalidUTF8 bool `yaml:"replaceInvalidUTF8"`

	// Pack says how output values become messages.
	Pack Pack `yaml:"pack"`
	// RecordID, when not empty, names a member that is added in front of every
	// output value, which must then be a JSON object: the record's identity, a
	// string that is the same in every pass, so that consumers can
	// deduplicate. See [RecordID]. A member of that name that is there already
	// stays, behind it: choose a name of its own.
	RecordID string `yaml:"recordID"`

	// RetryURL is the folder for records that failed and may succeed later. Run
	// and Watch drain it too. Required. Paths, file://, mem:// and every scheme
	// registered with afs work; $UUID and $TimePath (yyyy/MM/dd/HH, UTC) are
	// expanded, but not in RetryURL if Run is to find it again. For [Service.Do]
	// with a Reader, and without a Source, it can be a queue: see package sqsstore.
	RetryURL string `yaml:"retryURL"`
	// FailedURL is the folder for what used up its attempts. Required.
	FailedURL string `yaml:"failedURL"`
	// CorruptionURL is the folder for invalid data. Required.
	CorruptionURL string `yaml:"corruptionURL"`
	// DestinationURL is handed to custom processors in the response. Optional.
	DestinationURL string `yaml:"destinationURL"`
	// OnDone says what becomes of the object of a [Request] once Do has settled
	// all of it, and Post has succeeded: [OnDoneDelete] or [OnDoneMove], if it is
	// still the very content that was processed. An object stays as long as a
	// ticket names it; whoever works off the last one removes it. One that is damaged,
	// so that not all of it could be read, stays as well: the rest is nowhere else.
	// One that could not be removed is told in Response.Errors. Run and Watch refuse it: what
	// they finish is taken away by [Archive], which no crash confuses. Defaults to
	// leaving it where it is.
	OnDone OnDone `yaml:"onDone"`
	// OnDoneURL is where objects are moved to, under their keys: a folder or URL
	// that the source can move objects to (see [source.Mover]), outside of it. The
	// macros of RetryURL are expanded. Required with OnDoneMove.
	OnDoneURL string `yaml:"onDoneURL"`
	// MaxRetries is how often a record or object is tried again after its first
	// failure, before it goes to FailedURL. Defaults to 10; negative means none.
	MaxRetries int `yaml:"maxRetries"`
	// RetryDelay is how long the first retry waits; each further one waits twice
	// as long, up to 15 minutes. Defaults to 1 second.
	RetryDelay time.Duration `yaml:"retryDelay"`

	// BatchSize is the number of records that one call of a [BatchProcessor] gets:
	// so many, and fewer only where an object ends or MaxBatchBytes is reached.
	// With GroupBy it is the largest number. Defaults to 10,000 with GroupBy;
	// otherwise 0, which means that Process gets one record at a time.
	BatchSize int `yaml:"batchSize"`
	// GroupBy gives the key of a record's group, in a slice that it may use again.
	// Neighbours with equal keys come in one call of a [BatchProcessor], whatever
	// the number of workers and wherever the deadline strikes; a group that is
	// larger than BatchSize or MaxBatchBytes is split, and counted in
	// Response.SplitGroups. In an input that is sorted by the key, a group is all
	// records that have it. What comes back from the retry destination is grouped
	// anew. It is called for one record of an object after the other, from several
	// goroutines for several objects, and before it is known whether a record is
	// valid UTF-8.
	GroupBy func(rec source.Record) []byte `yaml:"-"`
	// MaxBatchBytes bounds the stretch of an object that the records of one call
	// take. A record that is longer comes alone. Defaults to 4 MiB.
	MaxBatchBytes int `yaml:"maxBatchBytes"`

	// Concurrency is the number of workers. Defaults to GOMAXPROCS, or to 20
	// with a custom Processor, which is expected to wait more than compute.
	Concurrency int `yaml:"concurrency"`
	// Senders is the number of concurrent Send calls. Defaults to
	// Concurrency + 2.
	Senders int `yaml:"senders"`
	// MaxInFlightBytes bounds the memory of input and packed output together. It
	// must have room for every worker and sender and for one record of
	// Split.MaxRecordBytes. Defaults to 256 MiB, or half of what the process may
	// take if that is less: the smallest of a Lambda function's memory
	// (AWS_LAMBDA_FUNCTION_MEMORY_SIZE), the limits of its control groups and
	// GOMEMLIMIT. The default is never less than it must be.
	MaxInFlightBytes int64 `yaml:"maxInFlightBytes"`
	// Rate limits what is sent, or handed to a custom Processor. The zero value
	// does not.
	Rate Rate `yaml:"rate"`

	// DeadlineReduction is the time kept back before the context's deadline for
	// sending what is packed and giving back the rest. Defaults to 1% of the
	// time there is, at least 1 second and at most a quarter of it. After a
	// cancellation it is how long the drain may take.
	DeadlineReduction time.Duration `yaml:"deadlineReduction"`
	// MaxExecTime is the deadline, from the start of the call, where the context
	// has none. Defaults to none.
	MaxExecTime time.Duration `yaml:"maxExecTime"`
	// MaxOutage is how long a service (queue, claim store, destination) may be
	// away before a Run or Do without a deadline gives up, with an error and
	// everything given back. With a deadline they try until then, and Watch
	// never gives up. Defaults to 5 minutes.
	MaxOutage time.Duration `yaml:"maxOutage"`
	// Lease is how long a claim lasts without a heartbeat. Defaults to 1 minute.
	Lease time.Duration `yaml:"lease"`
	// SendTimeout bounds one Send call. Defaults to 10 seconds, or a quarter of
	// Lease if that is less; must be below half of Lease.
	SendTimeout time.Duration `yaml:"sendTimeout"`
	// MaxUnconfirmed bounds what may be sent again after a crash.
	MaxUnconfirmed Unconfirmed `yaml:"maxUnconfirmed"`
	// PollInterval is how long Watch waits before it lists a source again that
	// does not tell what appears in it, looks into the retry destination, and
	// tries an object again that another worker held. A source that takes long to
	// list is not listed for more than a fifth of the time, but each RescanInterval
	// at least. Defaults to 1 second.
	PollInterval time.Duration `yaml:"pollInterval"`
	// RescanInterval is how often Watch lists everything, and claims for it, to
	// find what no other way would show: what an operator gave back, what a source
	// did not tell. Defaults to 5 minutes.
	RescanInterval time.Duration `yaml:"rescanInterval"`
	// ClaimBlock is the largest number of keys claimed in one round trip.
	// Defaults to 256.
	ClaimBlock int `yaml:"claimBlock"`
	// ClaimVersion makes the claim one on key and version, so that a key that is
	// written again is processed again. By default the key alone is claimed.
	// The source's listing must then tell versions, or sizes and times.
	ClaimVersion bool `yaml:"claimVersion"`
	// Owner names this worker in the claim store. Defaults to host, process id
	// and a random part.
	Owner string `yaml:"owner"`
	// Fingerprint stands for everything about Transform that shapes its output.
	// Change it when the transform changes, so that half-done objects start
	// again rather than mix two versions. Transforms with a Fingerprint method
	// need none.
	Fingerprint string `yaml:"fingerprint"`
}

// PackMode is the form of a message body.
type PackMode string

const (
	// PackArray makes each body a JSON array of output values.
	PackArray PackMode = "array"
	// PackLines makes each body newline-delimited output values.
	PackLines PackMode = "lines"
	// PackSingle makes each output value a message of its own.
	PackSingle PackMode = "single"
)

// Pack configures how output values become messages.
type Pack struct {
	// Mode defaults to [PackArray].
	Mode PackMode `yaml:"mode"`
	// TargetBytes is the size up to which a message is filled. Defaults to the
	// largest message the sink takes; never more than that.
	TargetBytes int `yaml:"targetBytes"`
	// PerObject keeps the records of different objects in different messages,
	// and makes messages and their ids the same in every pass. The id is the
	// deduplication id on FIFO queues, for which PerObject is required; on other
	// queues it is not sent, and what comes twice is told by its body. Linger
	// does not apply.
	PerObject bool `yaml:"perObject"`
	// FrameBytes is the stretch of an object's stream that messages never cross
	// with PerObject: the unit of checkpoints. Defaults to 8 times TargetBytes,
	// at least 1 MiB; must be at least TargetBytes.
	FrameBytes int64 `yaml:"frameBytes"`
	// Linger is how long a message that is not full may wait for more records
	// while there is nothing else to do. Defaults to 1 second; negative means
	// not at all.
	Linger time.Duration `yaml:"linger"`
	// Group is the message group on FIFO queues. Defaults to the object's key
	// (its hash, where the key is no legal group id).
	Group string `yaml:"group"`
}

// Rate limits what is sent, or handed to a custom Processor, per second; zero
// fields do not. About a quarter of a second's worth may come at once.
type Rate struct {
	// Records are those in messages, or handed to Process.
	Records float64 `yaml:"records"`
	// Bytes are those of message bodies, or of records handed to Process.
	Bytes float64 `yaml:"bytes"`
	// Calls are those of Send, Process or ProcessBatch.
	Calls float64 `yaml:"calls"`
}

// Unconfirmed bounds what was sent but not yet durably recorded as finished.
// The bounds are on when the recording starts; what is sent while it runs comes
// on top, at most what is in flight. A large object is recorded in slabs of
// 256 KiB, each when all of its records are settled: where sending is slow the
// slabs in work, two for each of Concurrency, come on top as well.
type Unconfirmed struct {
	// Bytes of message bodies. Defaults to 16 MiB.
	Bytes int64 `yaml:"bytes"`
	// Interval between recordings. Defaults to 250 milliseconds.
	Interval time.Duration `yaml:"interval"`
}

// LoadConfig reads the plain values of a Config from YAML or JSON. Unknown keys
// are mistakes, durations are texts such as "5s", and an empty document is the
// zero Config.
func LoadConfig(r io.Reader) (Config, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	var cfg Config
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("parse configuration: %w", err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("parse configuration: more than one document")
	}
	return cfg, nil
}

// Fixed sizes of the pipeline.
const (
	slabBytes       = 256 << 10 // read at once; objects up to this size are small
	dispatchObjects = 64        // small objects handed to a worker at once
	defaultBatch    = 1 << 20   // bytes per Send where the sink names no limit
	maxBackoff      = 15 * time.Minute
	firstContact    = 15 * time.Second      // for the sink to answer at all
	minLease        = 10 * time.Millisecond // a claim.Keeper takes none that is shorter
)

// withDefaults returns a copy of c with defaults filled in.
func (c Config) withDefaults() Config {
	def(&c.NewReporter, NewReporter)
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Transform == nil && c.Processor == nil {
		c.Transform = transform.Validate{}
	}
	if c.Split.Preamble == nil {
		if p, ok := c.Transform.(transform.Preambler); ok {
			c.Split.Preamble = p.Preamble()
		}
	}
	if c.Processor != nil && c.Split.Format == "" {
		c.Split.Format, c.Split.Raw = source.FormatLines, c.Split.Records == ""
	}
	c.Split = c.Split.WithDefaults()
	if c.Pack.Mode == "" {
		c.Pack.Mode = PackArray
	}
	def(&c.Pack.Linger, time.Second)
	if c.MaxRetries == 0 {
		c.MaxRetries = 10
	}
	c.MaxRetries = max(c.MaxRetries, 0)
	def(&c.RetryDelay, time.Second)
	if c.Concurrency == 0 {
		c.Concurrency = runtime.GOMAXPROCS(0)
		if c.Processor != nil {
			c.Concurrency = 20
		}
	}
	def(&c.Senders, c.Concurrency+2)
	if c.GroupBy != nil {
		def(&c.BatchSize, 10_000)
	}
	def(&c.MaxBatchBytes, 4<<20)
	if c.MaxInFlightBytes == 0 {
		c.MaxInFlightBytes = c.defaultInFlight(memoryLimit())
	}
	def(&c.MaxOutage, 5*time.Minute)
	def(&c.Lease, time.Minute)
	def(&c.SendTimeout, min(10*time.Second, c.Lease/4))
	def(&c.MaxUnconfirmed.Bytes, 16<<20)
	def(&c.MaxUnconfirmed.Interval, 250*time.Millisecond)
	def(&c.PollInterval, time.Second)
	def(&c.RescanInterval, 5*time.Minute)
	def(&c.ClaimBlock, 256)
	if c.Owner == "" {
		host, _ := os.Hostname() // a nameless host is still told by the rest
		c.Owner = host + "/" + strconv.Itoa(os.Getpid()) + "/" + newRunID()
	}
	return c
}

// def sets *p to value if it is nil or zero.
func def[T any](p *T, value T) {
	if v := reflect.ValueOf(p).Elem(); v.IsZero() {
		*p = value
	}
}

// validate reports every mistake in a Config that has its defaults.
func (c Config) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	switch {
	case c.Processor != nil && (c.Sink != nil || c.Transform != nil):
		bad("Processor", "cannot be combined with Sink or Transform")
	case c.Processor == nil && c.Sink == nil:
		bad("Sink", "required, unless there is a Processor")
	}
	_, takesBatches := c.Processor.(BatchProcessor)
	if c.BatchSize < 0 {
		bad("BatchSize", "%d is negative", c.BatchSize)
	} else if c.BatchSize > 0 && c.GroupBy == nil && !takesBatches {
		bad("BatchSize", "needs a Processor that is a BatchProcessor")
	}
	if c.GroupBy != nil && !takesBatches {
		bad("GroupBy", "needs a Processor that is a BatchProcessor")
	}
	c.checkDone(bad)
	if c.MaxBatchBytes < 0 || c.MaxBatchBytes > 1<<30 {
		bad("MaxBatchBytes", "%d is not between 1 and 1 GiB", c.MaxBatchBytes)
	}
	if c.Source != nil && c.Claimer == nil {
		bad("Claimer", "required with a Source; claim/disk is the durable one for a single machine")
	}
	if _, err := source.NewSplitter(c.Split); err != nil {
		errs = append(errs, err)
	}
	for _, d := range []struct{ field, url string }{
		{"RetryURL", c.RetryURL}, {"FailedURL", c.FailedURL}, {"CorruptionURL", c.CorruptionURL},
	} {
		if d.url == "" {
			bad(d.field, "required: without it there is no place for what cannot be delivered")
		} else if err := destination.Check(d.url); err != nil {
			bad(d.field, "%v", err)
		} else if s, ok := c.Source.(interface{ URL() string }); ok && destination.Inside(d.url, s.URL()) {
			bad(d.field, "lies in the source %s: what is put there would be processed", s.URL())
		}
	}
	if c.Source != nil && c.RetryURL != "" {
		if err := destination.CheckReadable(c.RetryURL); err != nil {
			bad("RetryURL", "%v: with a Source it must be a folder, which Run reads again, and which holds what is left of an object as a place in it", err)
		}
	}
	for _, d := range []struct{ field, url string }{{"FailedURL", c.FailedURL}, {"CorruptionURL", c.CorruptionURL}} {
		if d.url != "" && strings.TrimRight(d.url, "/") == strings.TrimRight(c.RetryURL, "/") {
			bad(d.field, "is RetryURL: what is in there would be tried again")
		}
	}
	switch c.Pack.Mode {
	case PackArray, PackLines, PackSingle:
	default:
		bad("Pack.Mode", "%q is none of array, lines, single", c.Pack.Mode)
	}
	if !utf8.ValidString(c.RecordID) || strings.ContainsFunc(c.RecordID, unicode.IsControl) {
		bad("RecordID", "%q is no plain member name", c.RecordID)
	}
	if c.Pack.TargetBytes < 0 {
		bad("Pack.TargetBytes", "%d is negative", c.Pack.TargetBytes)
	}
	if f := c.Pack.FrameBytes; f < 0 || f > 0 && f < int64(c.Pack.TargetBytes) {
		bad("Pack.FrameBytes", "%d is below Pack.TargetBytes", f)
	}
	for _, n := range []struct {
		field string
		value int
	}{{"Concurrency", c.Concurrency}, {"Senders", c.Senders}, {"ClaimBlock", c.ClaimBlock}} {
		if n.value < 1 {
			bad(n.field, "%d is below 1", n.value)
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"RetryDelay", c.RetryDelay}, {"DeadlineReduction", c.DeadlineReduction}, {"MaxExecTime", c.MaxExecTime},
		{"SendTimeout", c.SendTimeout}, {"PollInterval", c.PollInterval}, {"RescanInterval", c.RescanInterval}, {"MaxOutage", c.MaxOutage}, {"MaxUnconfirmed.Interval", c.MaxUnconfirmed.Interval},
	} {
		if d.value < 0 {
			bad(d.field, "%v is negative", d.value)
		}
	}
	if c.Lease < minLease {
		bad("Lease", "%v is below %v", c.Lease, minLease)
	}
	if c.MaxObjectBytes < 0 {
		bad("MaxObjectBytes", "%d is negative", c.MaxObjectBytes)
	}
	if c.MaxUnconfirmed.Bytes < 0 {
		bad("MaxUnconfirmed.Bytes", "%d is negative", c.MaxUnconfirmed.Bytes)
	}
	if c.Lease >= minLease && c.SendTimeout >= c.Lease/2 {
		bad("SendTimeout", "%v must be below half of Lease (%v): a lease must outlive a send", c.SendTimeout, c.Lease)
	}
	if c.MaxExecTime > 0 && c.DeadlineReduction >= c.MaxExecTime {
		bad("DeadlineReduction", "%v leaves nothing of MaxExecTime (%v)", c.DeadlineReduction, c.MaxExecTime)
	}
	if c.Rate.Records < 0 || c.Rate.Bytes < 0 || c.Rate.Calls < 0 {
		bad("Rate", "is negative")
	}
	if need := c.memoryNeeded(); c.MaxInFlightBytes < need {
		bad("MaxInFlightBytes", "%d is too little for %d workers, %d senders and a record of %d bytes: at least %d",
			c.MaxInFlightBytes, c.Concurrency, c.Senders, c.Split.MaxRecordBytes, need)
	}
	return errors.Join(errs...)
}
