package disk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// manifest says which files are the store. It is replaced by rename: what it
// does not name, but for logs from Log on, is rubbish of a crash.
type manifest struct {
	Version int `json:"version"`
	// Epoch was the store's when the manifest was written.
	Epoch uint64 `json:"epoch"`
	// Log is the first log to be replayed for leases.
	Log uint64 `json:"log"`
	// Fresh is the first log whose finished keys are not in the segments.
	Fresh uint64 `json:"fresh"`
	// Finished is the number of finished keys in the segments.
	Finished int64 `json:"finished"`
	// Segments are ordered from the oldest to the youngest.
	Segments []segmentInfo `json:"segments"`
}

// segmentInfo names one segment.
type segmentInfo struct {
	ID   uint64 `json:"id"`
	Tier int    `json:"tier"` // how often its keys were merged
}

const manifestVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeManifest replaces the manifest: a line with the checksum of the rest,
// then JSON.
func writeManifest(dir string, m manifest) error {
	m.Version = manifestVersion
	body, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	sum := fmt.Appendf(nil, "%08x\n", crc32.Checksum(body, castagnoli))
	return writeFile(dir, manifestName, append(sum, body...))
}

// readManifest reads the manifest; fs.ErrNotExist means that there is none.
func readManifest(dir string) (manifest, error) {
	var m manifest
	name := filepath.Join(dir, manifestName)
	data, err := os.ReadFile(name)
	if err != nil {
		return m, err
	}
	sum, body, _ := bytes.Cut(data, []byte("\n"))
	if string(sum) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)) {
		return m, corrupt(name, 0, "checksum mismatch")
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, corrupt(name, 0, err.Error())
	}
	if m.Version != manifestVersion {
		return m, fmt.Errorf("%s: version %d of the format: want %d", name, m.Version, manifestVersion)
	}
	return m, nil
}
