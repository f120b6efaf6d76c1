// Package disk is a claim store in a folder of one machine: the embedded
// default, for one process at a time.
//
// What it promises, and to which disaster:
//   - A completed key is durable, and synced, before Complete returns. It is
//     never forgotten, and no other key is ever taken for it: keys themselves
//     are compared, not hashes.
//   - Progress and counted attempts of Release, and changed progress of
//     Extend, are as durable.
//   - That an attempt was begun is with the kernel before Claim returns: it
//     survives a crash of the process, kill -9 included. A loss of power may
//     forget the attempts of the last moments.
//   - Leases are only as live as the process: whoever opens the store next
//     voids them all. The keys can be claimed at once; attempts stay counted.
//   - Damage to a file is an error of Open, or of the call that meets it, and
//     names the file and the offset. Only the torn end of the last log, as a
//     crash leaves it, is cut off.
//   - After a write or sync that failed, it is unknown what the disk holds. The
//     store then takes no more calls: each returns the first error, and the
//     next Open tells the truth.
//
// The folder must be on a local file system whose locks and syncs are honest.
//
// Inside, each call is one entry of an append-only log, and concurrent callers
// share one sync. Finished keys are held in memory until there are
// [Config.Recent] of them; then they are written, sorted, to an immutable
// segment file, and the log starts anew. Segments of like size are merged, so
// that there are few. Of a segment, memory holds a filter and a sparse index,
// about 1.6 bytes a key.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/processor/fault"
)

var (
	// ErrLocked is wrapped by the error of Open when another process, or
	// another Store of this one, has the store open.
	ErrLocked = errors.New("claim store is in use by another process")
	// ErrCorrupt is wrapped by the error of whoever meets damaged files.
	ErrCorrupt = errors.New("damaged")
	// ErrReadOnly is wrapped by the error of a change to a read-only store.
	ErrReadOnly = errors.New("claim store is open for reading only")
)

// Config configures a [Store]. The zero value works.
type Config struct {
	// Recent is how many finished keys are held in memory before they go to a
	// sorted file; at most twice as many are, for a moment. More of them make
	// fewer and larger files. Defaults to 32,768.
	Recent int
}

const (
	defaultRecent = 32768
	// meanKeyBytes bounds the memory of recent keys, where keys are long.
	meanKeyBytes = 128
)

// Store is a claim store in a folder. It is safe for concurrent use. It has no
// goroutine but while it writes a segment; Close waits for that. It keeps key
// strings, but no slices, that it is given.
type Store struct {
	*contents
	dir   string
	limit int // of recent keys
	lock  *os.File
	log   *logWriter

	// calls is held shared by each call that changes something, so that Close
	// waits for them.
	calls sync.RWMutex

	epoch  uint64        // of this process
	grants uint64        // Claim calls so far; guarded by contents.mu
	nextID atomic.Uint64 // of files

	// Guarded by contents.mu.
	spilled  *sync.Cond // signalled when frozen becomes nil, or the store fails
	spare    *memtable  // empty, for use as the next recent
	firstLog uint64     // the first log to be replayed for leases
	keptAt   int64      // position in the log behind the last copy of the table

	// shaping serialises changes of shape and manifest, and guards what is
	// below. It is taken before contents.mu.
	shaping sync.Mutex
	first   uint64 // as in the manifest
	fresh   uint64
	merging bool

	stopping   atomic.Bool
	background sync.WaitGroup

	failure atomic.Pointer[error]
}

var (
	_ claim.Claimer   = (*Store)(nil)
	_ claim.Inspector = (*Store)(nil)
)

// Open opens the store in the folder path, which it creates where there is
// none, and voids the leases of whoever had it before. The caller closes it.
func Open(path string, cfg Config) (*Store, error) {
	s, err := open(path, cfg, func(id uint64) (logFile, error) { return createLog(path, id) })
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("open claim store %s: %w", path, err))
	}
	return s, nil
}

func open(dir string, cfg Config, create func(id uint64) (logFile, error)) (_ *Store, err error) {
	if cfg.Recent < 0 {
		return nil, fmt.Errorf("Recent is %d: want 0 or more", cfg.Recent)
	}
	if cfg.Recent == 0 {
		cfg.Recent = defaultRecent
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := initialise(dir); err != nil {
		return nil, err
	}
	st, err := load(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			view{st.shape}.release()
		}
	}()
	if err := tidy(dir, st.manifest); err != nil {
		return nil, err
	}
	current := st.logs[len(st.logs)-1]
	file, length, err := resumeLog(dir, current, st.length)
	if err != nil {
		return nil, err
	}
	s := &Store{
		contents: st.contents,
		dir:      dir,
		limit:    cfg.Recent,
		lock:     lock,
		log:      newLogWriter(file, length, create),
		epoch:    st.epoch + 1,
		spare:    newMemtable(),
		firstLog: st.manifest.Log,
		first:    st.manifest.Log,
		fresh:    st.manifest.Fresh,
	}
	s.nextID.Store(st.nextID)
	s.spilled = sync.NewCond(&s.mu)
	s.table.Void()
	end := s.log.append(s.opening)
	if err := s.log.sync(end); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// initialise makes the files of an empty store where there is none. The
// manifest comes last: a crash before leaves what counts as none.
func initialise(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, manifestName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	segments, err := numbered(dir, segmentExt)
	if err != nil {
		return err
	}
	logs, err := numbered(dir, logExt)
	if err != nil {
		return err
	}
	for _, id := range logs {
		st, err := os.Stat(fileName(dir, id, logExt))
		if err != nil {
			return err
		}
		if id != 1 || st.Size() > int64(len(logMagic)) {
			segments = append(segments, id)
		}
	}
	if len(segments) > 0 {
		return corrupt(filepath.Join(dir, manifestName), 0, "file is missing, though there are files of claims")
	}
	if err := remove(fileName(dir, 1, logExt)); err != nil {
		return err
	}
	f, err := createLog(dir, 1)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := writeManifest(dir, manifest{Log: 1, Fresh: 1}); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// tidy removes what a crash left behind.
func tidy(dir string, m manifest) error {
	known := map[string]bool{}
	for _, s := range m.Segments {
		known[filepath.Base(fileName(dir, s.ID, segmentExt))] = true
	}
	logs, err := numbered(dir, logExt)
	if err != nil {
		return err
	}
	for _, id := range logs {
		known[filepath.Base(fileName(dir, id, logExt))] = id >= m.Log
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ours := strings.HasSuffix(e.Name(), logExt) || strings.HasSuffix(e.Name(), segmentExt) || strings.HasSuffix(e.Name(), tempExt)
		if ours && !known[e.Name()] {
			if err := remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// loaded is a store as read from its folder.
type loaded struct {
	*contents
	manifest manifest
	logs     []uint64
	length   int64 // of the sound part of the last log
	epoch    uint64
	nextID   uint64
}

// load reads manifest, segments and logs. It changes nothing. For a store that
// another process is writing, it gives a state between two calls; it fails
// with fs.ErrNotExist where files were replaced meanwhile.
func load(dir string) (_ *loaded, err error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	st := &loaded{
		contents: &contents{clock: lease.NewClock(), recent: newMemtable()},
		manifest: m,
		epoch:    m.Epoch,
		nextID:   2,
	}
	st.finished = m.Finished
	defer func() {
		if err != nil {
			view{st.shape}.release()
		}
	}()
	for _, info := range m.Segments {
		s, err := openSegment(dir, info)
		if err != nil {
			return nil, err
		}
		st.segments = append(st.segments, s)
		st.nextID = max(st.nextID, info.ID+1)
	}
	// Listed before any is read: a log that is followed by another in the list
	// gets no more entries.
	logs, err := numbered(dir, logExt)
	if err != nil {
		return nil, err
	}
	for _, id := range logs {
		if id >= m.Log {
			st.logs = append(st.logs, id)
			st.nextID = max(st.nextID, id+1)
		}
	}
	if len(st.logs) == 0 || st.logs[0] != m.Log {
		return nil, &fs.PathError{Op: "open", Path: fileName(dir, m.Log, logExt), Err: fs.ErrNotExist}
	}
	r := replayer{contents: st.contents, epoch: st.epoch}
	for i, id := range st.logs {
		r.fresh = id >= m.Fresh
		st.length, err = replayLog(fileName(dir, id, logExt), i == len(st.logs)-1, r.apply)
		if err != nil {
			return nil, err
		}
	}
	st.epoch = r.epoch
	return st, nil
}

// Close waits for calls and for segments being written, makes everything
// durable and gives the lock back. Leases that are live then are void. Every
// later call returns claim.ErrClosed, also Close.
func (s *Store) Close() error {
	s.stopping.Store(true) // merges can be done later
	s.calls.Lock()
	defer s.calls.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return claim.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.background.Wait()

	errs := []error{s.err()}
	if errs[0] == nil {
		s.log.append(closing)
	}
	if err := s.log.close(); errs[0] == nil {
		errs = append(errs, err)
	}
	view{s.shape}.release()
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fault.Fatal(fmt.Errorf("close claim store %s: %w", s.dir, err))
	}
	return nil
}

// err returns the error that stopped the store.
func (s *Store) err() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// fail stops the store with its first error, and returns that. The caller does
// not hold mu.
func (s *Store) fail(err error) error {
	err = failed(fmt.Errorf("claim store %s: %w", s.dir, err))
	s.failure.CompareAndSwap(nil, &err)
	s.mu.Lock()
	s.spilled.Broadcast()
	s.mu.Unlock()
	return s.err()
}

// failed marks an error of the disk: nothing can go on.
func failed(err error) error { return fault.Fatal(err) }
