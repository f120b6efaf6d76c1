package cut

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ManifestName is what a manifest is called: the marker of what is complete.
const ManifestName = "_SUCCESS"

// Manifest tells what became of an object: Bytes is PreambleBytes + SeparatorBytes
// + HeaderBytes + RecordBytes + CorruptBytes.
type Manifest struct {
	Object   string `json:"object"`
	Version  string `json:"version,omitempty"`  // what tells its content from any other
	Encoding string `json:"encoding,omitempty"` // how it was decoded

	Records int64 `json:"records"` // in parts, header lines not counted
	Corrupt int64 `json:"corrupt"` // records in the corruption destination
	Bytes   int64 `json:"bytes"`   // of the decoded stream

	PreambleBytes  int64 `json:"preambleBytes"`
	SeparatorBytes int64 `json:"separatorBytes"`
	HeaderBytes    int64 `json:"headerBytes"`
	RecordBytes    int64 `json:"recordBytes"`
	CorruptBytes   int64 `json:"corruptBytes"`

	Parts       []Part `json:"parts"`
	CorruptFile string `json:"corruptFile,omitempty"` // below the corruption destination
}

// Part is one part of an object.
type Part struct {
	// Name is that of the file below To, or the id of the message.
	Name string `json:"name"`
	// Offset is that of its first record in the decoded stream.
	Offset  int64 `json:"offset"`
	Records int64 `json:"records"`
	// Bytes are those of the part before compression.
	Bytes int64 `json:"bytes"`
	// Corrupt says that the sink would not take the message: it is in the corruption
	// destination, under its name.
	Corrupt bool `json:"corrupt,omitempty"`
}

// manifest reads the manifest of a folder, and reports whether there is one.
func (c *Cutter) manifest(ctx context.Context, folder string) (m Manifest, ok bool, err error) {
	r, err := c.to.Open(ctx, folder+"/"+ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return m, false, fmt.Errorf("read manifest %s/%s: %w", folder, ManifestName, err)
	}
	return m, true, nil
}

// commit writes the manifest: the object is done.
func (c *Cutter) commit(ctx context.Context, folder string, m *Manifest) error {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	_, _, err = c.to.Put(ctx, folder+"/"+ManifestName, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	return err
}
