package processor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/wholefile"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// ArchiveConfig configures [Archive].
type ArchiveConfig struct {
	// Source has the objects. It must be a [source.Remover]; one that is a
	// [source.Mover] as well is spared the copying where it can do without.
	// Required.
	Source source.Source
	// Claims is the store of the workers. Required.
	Claims Claims
	// To is the folder that objects are moved to, under their keys: a path or a
	// file:// URL outside the source, or a URL that the source can move objects to
	// by itself (see [source.Mover]), as s3:// for source/s3. One of To, Delete and
	// ForgetAfter is required.
	To string
	// Delete has objects deleted instead.
	Delete bool
	// After is how long an object stays once it is finished. A worker that listed
	// it before it went, and comes to claim it after, asks for it in vain (see
	// Vanished of [Response]): beside workers that watch, let it be longer than they
	// take to work off a listing. Defaults to 0: it goes at once.
	After time.Duration
	// ForgetAfter is how long after an object was finished its claim is
	// forgotten, if the object is not in the source any more: without it the
	// claims of what others delete or move away are kept for ever. Make it longer
	// than anything that is gone may take to come back, since that would be
	// processed again. Defaults to 0: never.
	ForgetAfter time.Duration
	// RetryURL is the retry destination of the workers, without macros. With it,
	// ForgetAfter also counts for the claims of its parts, which are deleted when
	// they are worked off.
	RetryURL string
	// ClaimVersion says that the workers claim by key and version, as in
	// [Config].
	ClaimVersion bool
	// ClockSkew is how far the clocks of the source and of the claim store may be
	// apart, the coarseness of what they tell included. Without ClaimVersion,
	// what came under a key within this time after its claim is taken for what
	// was processed. Defaults to 2 seconds; negative means none.
	ClockSkew time.Duration
	// Lease is how long the archiver's own claim lasts without a heartbeat.
	// Defaults to 1 minute.
	Lease time.Duration
	// Block is the largest number of objects that are under way at once. Defaults
	// to 256.
	Block int
	// Concurrency is how many objects are copied at once. Defaults to 8.
	Concurrency int
	// Owner names the archiver in the claim store. Defaults to host, process id
	// and a random part.
	Owner string
	// Logger receives the summary line. Defaults to none.
	Logger *zap.Logger
}

// ArchiveReport is the outcome of an [Archive]. Its JSON is the summary line.
type ArchiveReport struct {
	// Status is [StatusOK], [StatusStopped] if the deadline or a cancellation
	// came before the end, or [StatusError].
	Status string
	// Errors holds the first few distinct errors, cut to a bounded length.
	Errors    []string `json:",omitempty"`
	StartTime time.Time
	RuntimeMs int64
	// Busy says that another archiver was at work, and so nothing was done.
	Busy bool `json:",omitempty"`

	Objects    int64 // listed
	Unfinished int64 // of those, not finished: left alone
	Recent     int64 // finished less than After ago: left alone
	Archived   int64 // moved or deleted
	Bytes      int64 // of those
	Copied     int64 // of those, moved by copying
	Repaired   int64 // archived by one that was killed, and forgotten now
	Vanished   int64 // gone before they were looked at
	Changed    int64 // not what was processed: left alone
	Collided   int64 // something else has their name in To: left alone
	Failed     int64 // could not be archived, or looked for, for another reason
	Forgotten  int64 // claims forgotten of what is gone for other reasons
}

// Archive takes objects out of the source that are finished, so that they are
// never listed again, and then has the claim store forget them.
//
// It takes nothing but what was processed. An object whose claim is not finished
// is left alone, and so is one that came under its key after that: with
// ClaimVersion the version is compared; without, the object must have been there
// before it was claimed (where the claim store does not keep that, before it was
// finished), as [source.Remover.Stat] tells. For each object it is: copied (unless
// the source can move it), the copy compared in size and checksum and made
// durable, the object removed if it still is what was copied, and only then its
// claim forgotten. What is in the way in To is never replaced; where it is the
// very same content, it counts as the copy.
//
// It can be killed at any moment, and the next one goes on: what is being removed
// is noted in the claim store before. Objects are archived once, by one archiver
// at a time, beside any number of workers; none of them is processed again. It
// works block by block until nothing is left, or until shortly before the
// deadline of ctx. The report is complete as far as it got, also with an error.
//
// No claim is forgotten on the word of a source that lists nothing at all: it may
// be a folder that is not mounted.
func Archive(ctx context.Context, cfg ArchiveConfig) (ArchiveReport, error) {
	cfg = cfg.withDefaults()
	if d, ok := cfg.Source.(source.Decoder); ok {
		cfg.Source = d.Stored() // objects go as they are stored
	}
	if err := cfg.validate(); err != nil {
		return ArchiveReport{Status: StatusError}, err
	}
	s, err := newShift(ctx, cfg.Claims, cfg.Owner, cfg.Lease)
	if err != nil {
		return ArchiveReport{Status: StatusError}, err
	}
	defer s.end()
	a := &archiver{
		shift: s, cfg: cfg, remover: cfg.Source.(source.Remover),
		report: ArchiveReport{Status: StatusOK, StartTime: s.start},
	}
	if err = a.open(); err == nil {
		err = a.run()
	}
	return a.conclude(err)
}

// archiver is one call of Archive.
type archiver struct {
	*shift
	cfg     ArchiveConfig
	remover source.Remover
	mover   source.Mover       // nil where everything is copied, or deleted
	folder  *wholefile.Folder  // nil where everything is deleted
	retry   *destination.Store // nil without a RetryURL
	report  ArchiveReport
	errs    errorList

	lease   claim.Hold // of whoever archives
	intents intentWriter
	there   bool // the source lists something, and so is what it should be
}

func (c ArchiveConfig) withDefaults() ArchiveConfig {
	def(&c.ClockSkew, 2*time.Second)
	c.ClockSkew = max(c.ClockSkew, 0)
	def(&c.Lease, time.Minute)
	def(&c.Block, 256)
	def(&c.Concurrency, 8)
	if c.Owner == "" {
		c.Owner = newOwner("archiver")
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

func (c ArchiveConfig) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Source == nil {
		bad("Source", "required")
	} else if _, ok := c.Source.(source.Remover); !ok {
		bad("Source", "%T cannot remove objects", c.Source)
	}
	if c.Claims == nil {
		bad("Claims", "required")
	}
	switch {
	case c.Delete && c.To != "":
		bad("To", "not together with Delete")
	case c.Delete:
	case c.To == "" && c.ForgetAfter != 0:
	case c.To == "":
		bad("To", "required, unless objects are to be deleted, or only forgotten")
	default:
		if _, local := destination.LocalPath(c.To); !local {
			if !c.movesByItself() {
				bad("To", "%s is no folder of this machine, and %T cannot move objects by itself", c.To, c.Source)
			}
		} else if err := destination.Check(c.To); err != nil {
			bad("To", "%v", err)
		} else if strings.Contains(c.To, "$") {
			bad("To", "macros are not expanded")
		} else if s, ok := c.Source.(interface{ URL() string }); ok && destination.Inside(c.To, s.URL()) {
			bad("To", "lies in the source %s: what is put there would be listed again", s.URL())
		}
	}
	if c.After < 0 {
		bad("After", "%v is negative", c.After)
	}
	if c.ForgetAfter < 0 {
		bad("ForgetAfter", "%v is negative", c.ForgetAfter)
	}
	if c.RetryURL != "" {
		if err := destination.Check(c.RetryURL); err != nil {
			bad("RetryURL", "%v", err)
		} else if strings.Contains(c.RetryURL, "$") {
			bad("RetryURL", "macros are not expanded")
		}
	}
	if c.Lease < minLease {
		bad("Lease", "%v is below %v", c.Lease, minLease)
	}
	for _, n := range []struct {
		field string
		value int
	}{{"Block", c.Block}, {"Concurrency", c.Concurrency}} {
		if n.value < 1 {
			bad(n.field, "%d is below 1", n.value)
		}
	}
	return errors.Join(errs...)
}

// movesByItself reports whether the source may be able to move objects to To,
// which nobody else can: it may, unless it is known to be of another scheme.
func (c ArchiveConfig) movesByItself() bool {
	if _, ok := c.Source.(source.Mover); !ok {
		return false
	}
	s, ok := c.Source.(interface{ URL() string })
	if !ok {
		return true
	}
	from, _, _ := strings.Cut(s.URL(), "://")
	to, _, _ := strings.Cut(c.To, "://")
	return from == to
}

func (a *archiver) open() (err error) {
	if a.cfg.RetryURL != "" {
		if a.retry, err = destination.Open(destination.Config{URL: a.cfg.RetryURL, Start: a.start}); err != nil {
			return err
		}
	}
	if a.cfg.To != "" {
		a.mover, _ = a.cfg.Source.(source.Mover)
		if path, local := destination.LocalPath(a.cfg.To); local {
			a.folder, err = wholefile.In(path)
		}
	}
	return err
}

// run takes the archiver's lease, archives the source, and has the claims
// forgotten of what is gone.
func (a *archiver) run() error {
	block, err := a.keeper.Claim(a.work, []string{archiverKey})
	if err != nil {
		return a.unlessOver("claim the archive", err)
	}
	if block.Results[0].Status != claim.Granted {
		a.report.Busy = true
		return nil
	}
	a.lease = claim.Hold{Block: block}
	if err = a.list(); err == nil {
		err = a.forgetGone()
	}
	released := a.settleAll(1, func(ctx context.Context) error {
		return a.keeper.Release(ctx, []claim.GiveBack{{Hold: a.lease}})
	})
	if released != nil {
		released = fmt.Errorf("release the archive: %w", released)
	}
	return errors.Join(err, released)
}

// list lists the source and archives it in blocks, once it has repaired what the
// last archiver left behind.
func (a *archiver) list() error {
	objects := make([]source.Object, 0, a.cfg.Block)
	for o, err := range a.cfg.Source.Objects(a.work) {
		if err != nil {
			return a.unlessOver("list objects", err)
		}
		if !a.there {
			a.there = true
			if err := a.repair(); err != nil {
				return err
			}
		}
		if !a.cfg.Delete && a.cfg.To == "" {
			return nil // it is there, and that is all there is to know
		}
		a.report.Objects++
		if objects = append(objects, o); len(objects) < cap(objects) {
			continue
		}
		if err := a.archive(objects); err != nil || a.work.Err() != nil {
			return err
		}
		objects = objects[:0]
	}
	return a.archive(objects)
}

// item is an object that is to be archived.
type item struct {
	source.Seen // as it is now
	claimKey    string
}

// archive archives those of a block that are due.
func (a *archiver) archive(objects []source.Object) error {
	items, err := a.due(objects)
	slices.SortFunc(items, func(x, y item) int { return strings.Compare(x.Key, y.Key) })
	for len(items) > 0 && err == nil && a.work.Err() == nil {
		intent, n := a.intents.encode(items)
		if err = a.intend(intent); err == nil {
			err = a.take(items[:n])
			items = items[n:]
		}
	}
	return err
}

// due returns the objects that are finished for long enough, and still are what
// was processed.
func (a *archiver) due(objects []source.Object) ([]item, error) {
	if len(objects) == 0 || a.work.Err() != nil {
		return nil, nil //nolint:nilerr // to stop in time is no failure
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		var err error
		if keys[i], err = objectClaimKey(o, a.cfg.ClaimVersion); err != nil {
			return nil, err
		}
	}
	entries, err := a.cfg.Claims.Inspect(a.work, keys)
	if err != nil {
		return nil, a.unlessOver("look at claims", err)
	}
	due := make([]int, 0, len(entries))
	names := make([]string, 0, len(entries))
	for i, e := range entries {
		switch {
		case e.State != claim.Finished, e.DoneAt.IsZero(): // as where a store answers for what it never saw
			a.report.Unfinished++
		case a.cfg.After > 0 && time.Since(e.DoneAt) < a.cfg.After: // the store's clock may be ahead
			a.report.Recent++
		default:
			due, names = append(due, i), append(names, objects[i].Key)
		}
	}
	items := make([]item, 0, len(due))
	for n, seen := range a.look(a.work, names) {
		i := due[n]
		if err := a.processed(objects[i], seen, entries[i]); err != nil {
			a.reject(objects[i].Key, err)
			continue
		}
		items = append(items, item{seen, keys[i]})
	}
	return items, nil
}

// processed returns an error unless what was seen of an object is what its claim is
// about.
func (a *archiver) processed(listed source.Object, seen source.Seen, e claim.Entry) error {
	before := e.DoneAt
	if !e.ClaimedAt.IsZero() {
		before = e.ClaimedAt // and read after that
	}
	switch {
	case seen.Err != nil:
		return seen.Err
	case a.cfg.ClaimVersion:
		if seen.Identity() != listed.Identity() {
			return source.ErrChanged
		}
	case seen.Since.IsZero():
		return errors.New("the source does not tell since when it is there: claim versions")
	case seen.Since.After(before.Add(a.cfg.ClockSkew)):
		return fmt.Errorf("%w: what was processed was there at %v, and this one is there since %v",
			source.ErrChanged, before.UTC().Format(time.RFC3339Nano), seen.Since.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// look looks at objects of the source, all at once where that is of use.
func (a *archiver) look(ctx context.Context, keys []string) []source.Seen {
	if blocks, ok := a.remover.(source.BlockRemover); ok {
		return blocks.StatBlock(ctx, keys)
	}
	seen := make([]source.Seen, len(keys))
	a.each(len(keys), func(i int) {
		s := &seen[i]
		s.Object, s.Since, s.Err = a.remover.Stat(ctx, keys[i])
	})
	return seen
}

// errCollision means that something else has an object's name in To.
var errCollision = errors.New("something else has this name there")

// reject counts an object that is not archived.
func (a *archiver) reject(key string, err error) {
	if a.work.Err() != nil && errors.Is(err, a.work.Err()) {
		return
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.report.Vanished++
		return
	case errors.Is(err, source.ErrChanged):
		a.report.Changed++
	case errors.Is(err, errCollision):
		a.report.Collided++
	default:
		a.report.Failed++
	}
	a.errs.add(fmt.Errorf("archive %s: %w", key, err))
}

// take archives the items that the intent names, and has their claims forgotten.
func (a *archiver) take(items []item) error {
	errs := a.remove(items)
	a.verifyGone(items, errs)
	keys := make([]string, 0, len(items))
	var fatal error
	for i, it := range items {
		if errs[i] != nil {
			a.reject(it.Key, errs[i])
			if fault.Is(errs[i], fault.ClassFatal) {
				fatal = fmt.Errorf("archive %s: %w", it.Key, errs[i]) // the others will fare no better
			}
			continue
		}
		a.report.Archived++
		a.report.Bytes += it.Size
		keys = append(keys, it.claimKey)
	}
	if err := a.forget(keys); err != nil {
		return err
	}
	a.fulfilled()
	return fatal
}

// verifyGone makes sure that the items without an error are not in the source any
// more. Another that has come under the key of one meanwhile is new.
func (a *archiver) verifyGone(items []item, errs []error) {
	removed := make([]int, 0, len(items))
	keys := make([]string, 0, len(items))
	for i, it := range items {
		if errs[i] == nil {
			removed, keys = append(removed, i), append(keys, it.Key)
		}
	}
	for n, now := range a.look(a.last, keys) {
		i := removed[n]
		switch {
		case errors.Is(now.Err, fs.ErrNotExist):
		case now.Err != nil:
			errs[i] = now.Err
		case items[i].isStill(now):
			errs[i] = errors.New("it was removed, and is still there")
		}
	}
}

// isStill reports whether now is what the item was when it was chosen.
func (it *item) isStill(now source.Seen) bool {
	return it.SameAs(now.Object) && it.Since.Equal(now.Since)
}

// forget has the claim store forget what is gone from the source.
func (a *archiver) forget(keys []string) error {
	if err := a.settleAll(len(keys), func(ctx context.Context) error { return a.cfg.Claims.Forget(ctx, keys) }); err != nil {
		return fmt.Errorf("forget what is gone: %w", err)
	}
	return nil
}

// conclude fills in the rest of the report and writes the summary line.
func (a *archiver) conclude(err error) (ArchiveReport, error) {
	r := &a.report
	if left := r.Changed + r.Collided + r.Failed; err == nil && left > 0 {
		err = fmt.Errorf("archive: %d objects could not be", left)
	} else if err != nil {
		a.errs.add(err)
	}
	switch {
	case err != nil:
		r.Status = StatusError
	case a.work.Err() != nil:
		r.Status = StatusStopped
	}
	r.Errors = a.errs.strings()
	r.RuntimeMs = time.Since(a.start).Milliseconds()
	a.cfg.Logger.Info("archive finished", zap.String("status", r.Status), zap.Bool("busy", r.Busy),
		zap.Int64("objects", r.Objects), zap.Int64("archived", r.Archived), zap.Int64("bytes", r.Bytes),
		zap.Int64("copied", r.Copied), zap.Int64("unfinished", r.Unfinished), zap.Int64("recent", r.Recent),
		zap.Int64("repaired", r.Repaired), zap.Int64("vanished", r.Vanished), zap.Int64("changed", r.Changed),
		zap.Int64("collided", r.Collided), zap.Int64("failed", r.Failed), zap.Int64("forgotten", r.Forgotten), zap.Int64("runtimeMs", r.RuntimeMs), zap.Error(err))
	return *r, err
}
