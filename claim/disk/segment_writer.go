package disk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// A segment is an immutable file of finished keys in ascending order:
//
//	magic, blocks, index, filter, footer
//
// A block holds entries of a key (the length shared with the key before, the
// rest), the grant and the time, the latter two as differences to the entry
// before; then comes its checksum. The index holds the last key, and for each
// block its length and the shortest text that separates it from the block
// before.
const (
	segmentMagic = "unspool segment 1\n"
	footerBytes  = 8 * 6
	// A block is closed when it has as many bytes or entries: to look up a key
	// in no special order, one block is read and half of it scanned.
	blockBytes   = 4096
	blockEntries = 128
)

// finish is how a key was finished.
type finish struct {
	grant uint64 // 0: it was forgotten since
	at    int64  // Unix time in ms
}

func (f finish) forgotten() bool { return f.grant == 0 }

// segmentWriter writes one segment.
type segmentWriter struct {
	file   *os.File
	out    *bufio.Writer
	offset uint64
	filter filter
	keys   uint64

	block []byte
	count int    // of entries in block
	last  []byte // the key added last
	prev  finish // its values
	split []byte // what separates the open block from the one before
	index []byte
}

// createSegment starts a segment of at most the given number of keys.
func createSegment(name string, keys int) (*segmentWriter, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	filter, err := allocate(filterBytes(keys))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w := &segmentWriter{file: f, out: bufio.NewWriterSize(f, 1<<16), filter: filter}
	w.write([]byte(segmentMagic))
	return w, nil
}

// write keeps errors for finish, as bufio does.
func (w *segmentWriter) write(p []byte) {
	n, _ := w.out.Write(p)
	w.offset += uint64(n)
}

// add appends a key, which must be greater than the one before.
func (w *segmentWriter) add(key []byte, f finish) {
	shared := 0
	for n := min(len(key), len(w.last)); shared < n && key[shared] == w.last[shared]; {
		shared++
	}
	if len(w.block) == 0 {
		// Any text above the last key and not above this one will do.
		w.split = append(w.split[:0], key[:min(shared+1, len(key))]...)
		shared, w.prev = 0, finish{}
	}
	w.block = binary.AppendUvarint(w.block, uint64(shared))
	w.block = binary.AppendUvarint(w.block, uint64(len(key)-shared))
	w.block = append(w.block, key[shared:]...)
	w.block = binary.AppendVarint(w.block, int64(f.grant-w.prev.grant))
	w.block = binary.AppendVarint(w.block, f.at-w.prev.at)
	w.filter.add(hashKey(key))
	w.keys++
	w.last = append(w.last[:0], key...)
	w.prev = f
	if w.count++; w.count == blockEntries || len(w.block) >= blockBytes {
		w.endBlock()
	}
}

func (w *segmentWriter) endBlock() {
	if len(w.block) == 0 {
		return
	}
	w.index = binary.AppendUvarint(w.index, uint64(len(w.block)))
	w.index = binary.AppendUvarint(w.index, uint64(len(w.split)))
	w.index = append(w.index, w.split...)
	w.block = binary.LittleEndian.AppendUint32(w.block, crc32.Checksum(w.block, castagnoli))
	w.write(w.block)
	w.block, w.count = w.block[:0], 0
}

// finish completes the file and makes its bytes durable.
func (w *segmentWriter) finish() error {
	defer free(w.filter)
	w.endBlock()
	w.index = append(binary.AppendUvarint(nil, uint64(len(w.last))), append(w.last, w.index...)...)
	footer := make([]byte, 0, footerBytes)
	footer = binary.LittleEndian.AppendUint64(footer, w.keys)
	footer = binary.LittleEndian.AppendUint64(footer, w.offset)
	footer = binary.LittleEndian.AppendUint64(footer, uint64(len(w.index)))
	footer = binary.LittleEndian.AppendUint64(footer, uint64(len(w.filter)))
	footer = binary.LittleEndian.AppendUint32(footer, crc32.Checksum(w.index, castagnoli))
	footer = binary.LittleEndian.AppendUint32(footer, crc32.Checksum(w.filter, castagnoli))
	footer = binary.LittleEndian.AppendUint32(footer, 0) // reserved
	footer = binary.LittleEndian.AppendUint32(footer, crc32.Checksum(footer, castagnoli))
	w.write(w.index)
	w.write(w.filter)
	w.write(footer)
	err := w.out.Flush()
	if err == nil {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// abort closes and removes an unfinished file.
func (w *segmentWriter) abort() error {
	free(w.filter)
	return errors.Join(w.file.Close(), remove(w.file.Name()))
}

// corrupt is the error of a file whose bytes are not those that were written.
func corrupt(name string, offset int64, what string) error {
	return fmt.Errorf("%s: %w at offset %d: %s", name, ErrCorrupt, offset, what)
}
