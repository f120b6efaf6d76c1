package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
)

// replayLog calls apply for each entry of a log file and returns the length of
// its sound part. Where the file ends in a torn entry, as after a crash, that
// is less than its size; only the last log may. Damage elsewhere is an error
// that names the file and the offset.
func replayLog(name string, last bool, apply func(payload string) error) (int64, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	if len(data) < len(logMagic) || string(data[:len(logMagic)]) != logMagic {
		// The head is durable before the first entry is written.
		if last && len(data) <= len(logMagic) {
			return 0, nil
		}
		return 0, corrupt(name, 0, "no claim log, or of another version")
	}
	pos := len(logMagic)
	for pos < len(data) {
		e, ok := entryAt(data, pos)
		if !ok {
			if !last {
				return 0, corrupt(name, int64(pos), "malformed entry")
			}
			return int64(pos), checkTail(name, data, pos)
		}
		if err := apply(string(e[entryHead:])); err != nil {
			return 0, corrupt(name, int64(pos), err.Error())
		}
		pos += len(e)
	}
	return int64(pos), nil
}

// entryAt returns the sound entry at a position.
func entryAt(data []byte, pos int) ([]byte, bool) {
	rest := data[pos:]
	if len(rest) < entryHead || binary.LittleEndian.Uint32(rest) != entryMagic {
		return nil, false
	}
	size := uint64(binary.LittleEndian.Uint32(rest[4:]))
	if size > uint64(len(rest)-entryHead) {
		return nil, false
	}
	e := rest[:entryHead+int(size)]
	return e, binary.LittleEndian.Uint32(e[16:]) == entrySum(e)
}

// checkTail tells whether the bytes from pos on, which are no entry, are the
// torn end of a log. They are not if a sound entry after them was written when
// they were durable.
func checkTail(name string, data []byte, pos int) error {
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], entryMagic)
	for at := pos + 1; ; at++ {
		i := bytes.Index(data[at:], magic[:])
		if i < 0 {
			return nil
		}
		at += i
		e, ok := entryAt(data, at)
		if ok && binary.LittleEndian.Uint64(e[8:]) > uint64(pos) {
			return corrupt(name, int64(pos), fmt.Sprintf("malformed entry, with durable entries after it at offset %d", at))
		}
	}
}
