package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// The log is a sequence of files. Each starts with logMagic; entries follow:
//
//	u32 entryMagic, u32 length of the payload, u64 synced, u32 checksum, payload
//
// synced is a length of the file that was durable when the entry was written.
// It tells a torn tail from damage: bytes that a later entry calls durable
// cannot be bad because of a crash. Numbers are little endian; the checksum is
// CRC-32C over the rest of the head and the payload.
const (
	logMagic   = "unspool claims 1\n"
	entryMagic = 0x9d1c7a53
	entryHead  = 4 + 4 + 8 + 4
	spareBytes = 4 << 20 // buffers above this are not kept
)

// logFile is what the log needs of a file. Tests put failing ones in its place.
type logFile interface {
	io.Writer
	Sync() error
	Close() error
}

// dataFile is a file whose Sync leaves times alone, which saves a journal
// write.
type dataFile struct{ *os.File }

func (f dataFile) Sync() error { return syncData(f.File) }

// logWriter appends to the log. Positions count bytes since the store was
// opened, across files. Entries are appended to a buffer, under the store's
// lock and so in the order of events; flush hands the buffer to the kernel,
// which survives the process, and sync to the disk. Both serve all callers
// that wait.
//
// After a failed write or sync it is not known what is in the file, so nothing
// is written any more: every later call returns the same error.
type logWriter struct {
	create func(id uint64) (logFile, error)

	bufMu    sync.Mutex
	buf      []byte
	spare    []byte
	appended int64

	// writeMu is taken after syncMu.
	writeMu sync.Mutex
	file    logFile
	written int64

	syncMu sync.Mutex
	synced atomic.Int64

	fileStart atomic.Int64 // position at which the file would have length 0
	failure   atomic.Pointer[error]
}

// newLogWriter continues a file that has the given length, all of it durable.
func newLogWriter(file logFile, length int64, create func(id uint64) (logFile, error)) *logWriter {
	w := &logWriter{create: create, file: file, appended: length, written: length}
	w.synced.Store(length)
	return w
}

func (w *logWriter) err() error {
	if p := w.failure.Load(); p != nil {
		return *p
	}
	return nil
}

func (w *logWriter) fail(err error) error {
	w.failure.CompareAndSwap(nil, &err)
	return w.err()
}

// append adds an entry whose payload encode appends to what it is given, and
// returns the position after it.
func (w *logWriter) append(encode func(b []byte) []byte) int64 {
	w.bufMu.Lock()
	defer w.bufMu.Unlock()
	start := len(w.buf)
	durable := max(0, w.synced.Load()-w.fileStart.Load())
	b := binary.LittleEndian.AppendUint32(w.buf, entryMagic)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(durable))
	b = append(b, 0, 0, 0, 0)
	b = encode(b)
	sealEntry(b[start:])
	w.appended += int64(len(b) - start)
	w.buf = b
	return w.appended
}

// sealEntry fills in length and checksum of an entry.
func sealEntry(e []byte) {
	binary.LittleEndian.PutUint32(e[4:], uint32(len(e)-entryHead))
	binary.LittleEndian.PutUint32(e[16:], entrySum(e))
}

func entrySum(e []byte) uint32 {
	return crc32.Update(crc32.Checksum(e[:16], castagnoli), castagnoli, e[entryHead:])
}

// end returns the position after the last entry.
func (w *logWriter) end() int64 {
	w.bufMu.Lock()
	defer w.bufMu.Unlock()
	return w.appended
}

// flush hands all entries up to position end to the kernel.
func (w *logWriter) flush(end int64) error {
	w.writeMu.Lock()
	defer w.writeMu.Unlock()
	return w.flushLocked(end)
}

func (w *logWriter) flushLocked(end int64) error {
	if err := w.err(); err != nil {
		return err
	}
	if w.written >= end {
		return nil
	}
	w.bufMu.Lock()
	buf, to := w.buf, w.appended
	w.buf, w.spare = w.spare[:0], nil
	w.bufMu.Unlock()

	if _, err := w.file.Write(buf); err != nil {
		return w.fail(fmt.Errorf("write log: %w", err))
	}
	w.written = to
	if cap(buf) <= spareBytes {
		w.bufMu.Lock()
		w.spare = buf[:0]
		w.bufMu.Unlock()
	}
	return nil
}

// sync makes all entries up to position end durable.
func (w *logWriter) sync(end int64) error {
	if err := w.flush(end); err != nil {
		return err
	}
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	return w.syncLocked(end)
}

// syncLocked syncs what has been written by now, which is more than its caller
// asked for where others wait: they will find their work done.
func (w *logWriter) syncLocked(end int64) error {
	if err := w.err(); err != nil {
		return err
	}
	if w.synced.Load() >= end {
		return nil
	}
	w.writeMu.Lock()
	to := w.written
	w.writeMu.Unlock()
	if err := w.file.Sync(); err != nil {
		return w.fail(fmt.Errorf("sync log: %w", err))
	}
	w.synced.Store(to)
	return nil
}

// rotate goes on in a new file. All that the old one holds is durable then: a
// torn tail can be in the last file only. No entry may be appended meanwhile.
func (w *logWriter) rotate(id uint64) error {
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	end := w.end()
	if err := w.flush(end); err != nil {
		return err
	}
	if err := w.syncLocked(end); err != nil {
		return err
	}
	file, err := w.create(id)
	if err != nil {
		return w.fail(fmt.Errorf("create log: %w", err))
	}
	w.writeMu.Lock()
	old := w.file
	w.file = file
	w.writeMu.Unlock()
	w.fileStart.Store(end - int64(len(logMagic)))
	if err := old.Close(); err != nil {
		return w.fail(fmt.Errorf("close log: %w", err))
	}
	return nil
}

// close makes everything durable and closes the file.
func (w *logWriter) close() error {
	err := w.sync(w.end())
	return errors.Join(err, w.file.Close())
}

// createLog makes a new log file, durable in its folder.
func createLog(dir string, id uint64) (logFile, error) {
	f, err := os.OpenFile(fileName(dir, id, logExt), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(logMagic)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return dataFile{f}, nil
}

// resumeLog opens a log file to append to, after cutting it to the length of
// its sound part.
func resumeLog(dir string, id uint64, length int64) (logFile, int64, error) {
	f, err := os.OpenFile(fileName(dir, id, logExt), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, 0, err
	}
	err = f.Truncate(length)
	if err == nil && length == 0 {
		// The crash came before the file's head was durable.
		_, err = f.WriteString(logMagic)
		length = int64(len(logMagic))
	}
	if err == nil {
		err = f.Sync() // what was replayed is told as done, so it must stay
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return dataFile{f}, length, nil
}
