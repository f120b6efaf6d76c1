package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// finishKey claims and completes one key.
func finishKey(t testing.TB, s *Store, key string) error {
	t.Helper()
	r, err := s.Claim(t.Context(), "w", "nonce of "+key, []string{key}, time.Minute)
	if err != nil {
		return err
	}
	require.Equal(t, claim.Granted, r[0].Status, "%q", key)
	return s.Complete(t.Context(), []claim.Lease{r[0].Lease})
}

func inspect(t testing.TB, in claim.Inspector, key string) claim.Entry {
	t.Helper()
	e, err := in.Inspect(t.Context(), []string{key})
	require.NoError(t, err)
	return e[0]
}

func finished(t testing.TB, s *Store, key string) bool {
	t.Helper()
	return inspect(t, s, key).State == claim.Finished
}

// files reads a folder; restore makes it so again.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	m := make(map[string][]byte)
	for _, e := range entries {
		m[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
	}
	return m
}

func restore(t testing.TB, m map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, data := range m {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	return dir
}

// killed returns the files of a store that was killed after it had finished
// the keys k0 … k9, one by one, and the length of the log after each.
func killed(t testing.TB) (image map[string][]byte, lengths []int) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(dir, Config{})
	require.NoError(t, err)
	for i := range 10 {
		require.NoError(t, finishKey(t, s, fmt.Sprint("k", i)))
		lengths = append(lengths, len(files(t, dir)["000000000001.log"]))
	}
	image = files(t, dir)
	require.NoError(t, s.Close())
	return image, lengths
}

func TestATornTailIsCutAtEveryByte(t *testing.T) {
	image, lengths := killed(t)
	const name = "000000000001.log"
	whole := image[name]
	for size := lengths[8]; size <= len(whole); size++ {
		// Where the size of the file was durable, but not its bytes, they are 0.
		zeros := make([]byte, size%3*entryHead)
		image[name] = append(slices.Clone(whole[:size]), zeros...)
		s, err := Open(restore(t, image), Config{})
		require.NoError(t, err, "cut to %d bytes", size)
		for i, length := range lengths {
			require.Equal(t, size >= length, finished(t, s, fmt.Sprint("k", i)), "k%d, cut to %d bytes", i, size)
		}
		require.NoError(t, finishKey(t, s, "new"))
		require.NoError(t, s.Close())
		r, err := OpenReadOnly(s.dir)
		require.NoError(t, err, "after the cut")
		require.Equal(t, claim.Finished, inspect(t, r, "new").State)
		require.NoError(t, r.Close())
	}
}

func TestALogThatIsTornInItsHeadIsEmpty(t *testing.T) {
	for size := range len(logMagic) + 1 {
		dir := t.TempDir()
		s, err := Open(dir, Config{})
		require.NoError(t, err)
		require.NoError(t, finishKey(t, s, "k"))
		require.NoError(t, s.Close())
		// A crash right after the log was rotated.
		require.NoError(t, os.WriteFile(fileName(dir, 2, logExt), []byte(logMagic[:size]), 0o644))
		for range 2 {
			s, err = Open(dir, Config{})
			require.NoError(t, err)
			require.True(t, finished(t, s, "k"))
			require.NoError(t, s.Close())
		}
	}
}

func TestAFlippedByteInTheLogIsAnError(t *testing.T) {
	const name = "000000000001.log"
	image, lengths := killed(t)
	whole := image[name]
	dir := restore(t, image)
	for at := range lengths[8] { // the last entries may be torn
		image[name] = slices.Clone(whole)
		image[name][at] ^= 0x10
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), image[name], 0o644))
		_, err := Open(dir, Config{})
		require.ErrorIs(t, err, ErrCorrupt, "byte %d", at)
		require.ErrorContains(t, err, filepath.Join(dir, name))
		require.ErrorContains(t, err, "offset")
		require.True(t, fault.Is(err, fault.ClassFatal))
		_, err = OpenReadOnly(dir)
		require.ErrorIs(t, err, ErrCorrupt, "byte %d", at)
		require.Equal(t, image, files(t, dir), "nothing is mended in silence")
	}
}

// A store that was closed has a last entry that says so: damage to the last
// completed key is not taken for a torn tail.
func TestAFlippedByteInTheLastKeyOfAClosedStoreIsAnError(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{})
	require.NoError(t, err)
	require.NoError(t, finishKey(t, s, "the last key"))
	require.NoError(t, s.Close())
	image := files(t, dir)
	const name = "000000000001.log"
	image[name][bytes.LastIndex(image[name], []byte("the last"))] ^= 1
	_, err = Open(restore(t, image), Config{})
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestDamageToOtherFilesIsAnError(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{Recent: 50})
	require.NoError(t, err)
	for i := range 120 {
		require.NoError(t, finishKey(t, s, fmt.Sprint("k", i)))
	}
	require.NoError(t, s.Close())
	image := files(t, dir)
	var segment, lastLog string
	for name := range image {
		switch filepath.Ext(name) {
		case segmentExt:
			segment = name
		case logExt:
			lastLog = max(lastLog, name)
		}
	}
	require.NotEmpty(t, segment)

	for _, name := range []string{segment, manifestName} {
		path := filepath.Join(dir, name)
		for at := range image[name] {
			bad := slices.Clone(image[name])
			bad[at] ^= 0x04
			require.NoError(t, os.WriteFile(path, bad, 0o644))
			s, err := OpenReadOnly(dir)
			if err == nil { // blocks are checked when they are read
				for _, err = range s.Completed(t.Context()) {
				}
				require.NoError(t, s.Close())
			}
			require.ErrorIs(t, err, ErrCorrupt, "%s, byte %d", name, at)
			require.ErrorContains(t, err, path)
			require.True(t, fault.Is(err, fault.ClassFatal))
		}
		require.NoError(t, os.WriteFile(path, image[name], 0o644))
	}
	for _, name := range []string{segment, manifestName, lastLog} {
		whole := image[name]
		delete(image, name)
		_, err := Open(restore(t, image), Config{})
		require.Error(t, err, "%s is missing", name)
		require.ErrorContains(t, err, name)
		image[name] = whole
	}
}

func TestRubbishOfACrashIsRemoved(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{})
	require.NoError(t, err)
	require.NoError(t, finishKey(t, s, "k"))
	require.NoError(t, s.Close())
	for _, name := range []string{"000000000007.seg", "000000000000.log", "MANIFEST.tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644))
	s, err = Open(dir, Config{})
	require.NoError(t, err)
	require.True(t, finished(t, s, "k"))
	require.NoError(t, s.Close())
	left := files(t, dir)
	require.NotContains(t, left, "000000000007.seg")
	require.NotContains(t, left, "000000000000.log")
	require.NotContains(t, left, "MANIFEST.tmp")
	require.Contains(t, left, "notes.txt", "not ours")
}

var errBroken = errors.New("no space left on device")

// brittle is a log file that fails on demand, and knows what is durable.
type brittle struct {
	logFile
	mu     sync.Mutex
	write  error
	sync   error
	size   int
	synced int
	syncs  int
	gate   chan struct{} // what each sync waits for, if not nil
}

func (b *brittle) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.write != nil {
		n, _ := b.logFile.Write(p[:len(p)/2])
		return n, b.write
	}
	b.size += len(p)
	return b.logFile.Write(p)
}

func (b *brittle) Sync() error {
	b.mu.Lock()
	size, err := b.size, b.sync
	b.syncs++
	b.mu.Unlock()
	if b.gate != nil {
		<-b.gate
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.synced = size
	b.mu.Unlock()
	return nil
}

// onBrittle opens a store whose log is a brittle file.
func onBrittle(t testing.TB, dir string) (*Store, *brittle) {
	t.Helper()
	s, err := Open(dir, Config{})
	require.NoError(t, err)
	b := &brittle{logFile: s.log.file, size: int(s.log.written), synced: int(s.log.written)}
	s.log.file = b
	return s, b
}

func TestCompletedKeysSurviveALossOfPower(t *testing.T) {
	dir := t.TempDir()
	s, b := onBrittle(t, dir)
	r, err := s.Claim(t.Context(), "w", "n", []string{"checkpoint", "back", "claimed"}, time.Minute)
	require.NoError(t, err)
	require.Less(t, b.synced, b.size, "Claim does not sync")
	durable := func(what string) {
		t.Helper()
		require.Equal(t, b.size, b.synced, "%s is durable when the call returns", what)
	}
	require.NoError(t, finishKey(t, s, "done"))
	durable("a completed key")
	r[0].Lease.Progress = "half"
	require.NoError(t, s.Extend(t.Context(), []claim.Lease{r[0].Lease}, time.Minute))
	durable("progress of Extend")
	syncs := b.syncs
	require.NoError(t, s.Extend(t.Context(), []claim.Lease{r[0].Lease}, time.Minute))
	require.Equal(t, syncs, b.syncs, "a heartbeat without progress does not sync")
	require.NoError(t, s.Release(t.Context(), []claim.Return{{Lease: r[1].Lease, Counted: true}}))
	durable("a release")
	require.NoError(t, s.Forget(t.Context(), []string{"done"}))
	durable("a forgotten key")
	require.NoError(t, finishKey(t, s, "done"))
	_, err = s.Claim(t.Context(), "w", "n2", []string{"begun"}, time.Minute)
	require.NoError(t, err)

	// The power goes: what was not synced is gone.
	image := files(t, dir)
	const name = "000000000001.log"
	image[name] = image[name][:b.synced]
	require.NoError(t, s.Close())
	s, err = Open(restore(t, image), Config{})
	require.NoError(t, err)
	defer s.Close()
	require.True(t, finished(t, s, "done"))
	e, err := s.Inspect(t.Context(), []string{"checkpoint", "back", "begun"})
	require.NoError(t, err)
	require.Equal(t, "half", e[0].Progress)
	require.Equal(t, 1, e[1].Attempt)
	require.Zero(t, e[2].Attempt, "what the store may forget")
}

func TestConcurrentCallersShareASync(t *testing.T) {
	s, b := onBrittle(t, t.TempDir())
	const n = 100
	b.gate = make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { require.NoError(t, finishKey(t, s, fmt.Sprint("k", i))) })
	}
	// The first sync takes until all others wait for one.
	waiting := func() bool {
		c, err := s.Count(t.Context())
		require.NoError(t, err)
		s.log.writeMu.Lock()
		defer s.log.writeMu.Unlock()
		return c.Finished == n && s.log.written == s.log.end()
	}
	for !waiting() {
		runtime.Gosched()
	}
	close(b.gate)
	wg.Wait()
	require.Equal(t, 2, b.syncs)
	require.NoError(t, s.Close())
}

func TestAFailedWriteOrSyncStopsTheStore(t *testing.T) {
	full := errBroken
	for name, breakIt := range map[string]func(*brittle){
		"write": func(b *brittle) { b.write = full },
		"sync":  func(b *brittle) { b.sync = full },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, b := onBrittle(t, dir)
			ctx := t.Context()
			require.NoError(t, finishKey(t, s, "before"))
			r, err := s.Claim(ctx, "w", "n", []string{"k"}, time.Minute)
			require.NoError(t, err)
			leases := []claim.Lease{r[0].Lease}
			breakIt(b)
			err = s.Complete(ctx, leases)
			require.ErrorIs(t, err, full)
			require.ErrorContains(t, err, dir)
			require.True(t, fault.Is(err, fault.ClassFatal))
			b.mu.Lock()
			b.write, b.sync = nil, nil // works again: too late to be trusted
			size := b.size
			b.mu.Unlock()
			require.ErrorIs(t, s.Complete(ctx, leases), full)
			require.ErrorIs(t, s.Extend(ctx, leases, time.Minute), full)
			require.ErrorIs(t, s.Release(ctx, []claim.Return{{Lease: leases[0]}}), full)
			require.ErrorIs(t, s.Forget(ctx, []string{"before"}), full)
			_, err = s.Claim(ctx, "w", "n2", []string{"k2"}, time.Minute)
			require.ErrorIs(t, err, full)
			require.ErrorIs(t, s.Close(), full)
			require.Equal(t, size, b.size, "nothing was written after the failure")

			s, err = Open(dir, Config{})
			require.NoError(t, err)
			require.True(t, finished(t, s, "before"))
			require.NoError(t, s.Close())
		})
	}
}

func TestAFailureInTheBackgroundStopsTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{Recent: 10})
	require.NoError(t, err)
	// A segment cannot be created where a folder has its name.
	for id := 2; id < 40; id++ {
		require.NoError(t, os.MkdirAll(filepath.Join(fileName(dir, uint64(id), segmentExt), "x"), 0o755))
	}
	var failure error
	for i := 0; failure == nil && i < 1000; i++ {
		failure = finishKey(t, s, fmt.Sprint("k", i))
	}
	require.ErrorContains(t, failure, segmentExt)
	require.True(t, fault.Is(failure, fault.ClassFatal))
	require.Error(t, s.Close())
}
