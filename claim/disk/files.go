package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Names of the files in a store's folder. Logs and segments share one sequence
// of numbers, so that a greater number is a younger file.
const (
	lockName     = "LOCK"
	manifestName = "MANIFEST"
	logExt       = ".log"
	segmentExt   = ".seg"
	tempExt      = ".tmp" // being written; removed by the next Open
)

func fileName(dir string, id uint64, ext string) string {
	return filepath.Join(dir, fmt.Sprintf("%012d%s", id, ext))
}

// numbered lists the numbers of the files in dir with the given extension,
// ascending.
func numbered(dir, ext string) ([]uint64, error) {
	entries, err := os.ReadDir(dir) // sorted by name; names have leading zeros
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ext)
		if !ok {
			continue
		}
		if id, err := strconv.ParseUint(digits, 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// writeFile writes a small file so that after a crash it holds either the old
// or the new bytes.
func writeFile(dir, name string, data []byte) error {
	temp := filepath.Join(dir, name+tempExt)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove deletes a file that may be gone already.
func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
