package processor

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/source"
)

// An intent names the objects that an archiver is about to remove. It is the
// progress of the archiver's lease, durable before the first of them goes: an
// archiver that is killed between removing an object and having its claim
// forgotten leaves behind a claim of something that is no longer listed, and that
// nobody would ever come upon again.

// intend notes an intent with the lease.
func (a *archiver) intend(intent string) error {
	a.lease.Block.SetProgress(a.lease.Index, intent)
	err := a.settleAll(1, func(ctx context.Context) error {
		return a.keeper.Checkpoint(ctx, []claim.Hold{a.lease})
	})
	if err == nil {
		err = a.alive()
	}
	if err != nil {
		return fmt.Errorf("note what is to be archived: %w", err)
	}
	return nil
}

// fulfilled notes that nothing is intended any more. The next intent, or the
// release of the lease, stores that.
func (a *archiver) fulfilled() { a.lease.Block.SetProgress(a.lease.Index, "") }

// alive returns an error unless the lease certainly still holds: another archiver
// may be at work otherwise.
func (a *archiver) alive() error {
	if a.lease.Block.Remaining(a.lease.Index) <= 0 {
		return fmt.Errorf("archive: %w", claim.ErrLost)
	}
	return nil
}

// repair has those claims forgotten whose objects the last archiver removed.
func (a *archiver) repair() error {
	intent := a.lease.Block.Results[a.lease.Index].Lease.Progress
	if intent == "" {
		return nil
	}
	items, err := decodeIntent(intent)
	if err != nil {
		return fmt.Errorf("read what the last archiver intended: %w", err)
	}
	a.sweep(items)
	var gone []string
	for _, it := range items {
		switch _, _, err := a.remover.Stat(a.work, it.Key); {
		case errors.Is(err, fs.ErrNotExist):
			gone = append(gone, it.claimKey)
		case err != nil:
			return a.unlessOver("look at what the last archiver intended", err)
		}
	}
	entries, err := a.cfg.Claims.Inspect(a.work, gone)
	if err != nil {
		return a.unlessOver("look at claims", err)
	}
	if err := a.forget(gone); err != nil {
		return err
	}
	for _, e := range entries {
		if e.State == claim.Finished {
			a.report.Repaired++
		}
	}
	a.fulfilled()
	return nil
}

// sweep removes the unfinished copies that the last archiver left in To. Others may
// be at work there for other claims: what was written to since its lease ended is
// not its own.
func (a *archiver) sweep(items []item) {
	if a.folder == nil {
		return
	}
	swept := make(map[string]bool)
	for _, it := range items {
		dir := path.Dir(it.Key)
		if swept[dir] {
			continue
		}
		swept[dir] = true
		if _, err := a.folder.SweepIn(a.work, dir, time.Now().Add(-a.cfg.Lease/2)); err != nil && a.work.Err() == nil {
			a.errs.add(fmt.Errorf("remove unfinished copies from %s: %w", a.cfg.To, err))
		}
	}
}

// encodeIntent returns the text for as many of the items as it has room for, at
// least one, and how many those are.
func encodeIntent(items []item) (text string, n int) {
	for n = len(items); ; n = (n + 1) / 2 {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.BestSpeed) // the level is known
		var raw []byte
		for _, it := range items[:n] {
			for _, field := range []string{it.Key, it.claimKey} {
				raw = binary.AppendUvarint(raw, uint64(len(field)))
				raw = append(raw, field...)
			}
		}
		_, _ = w.Write(raw) // to memory, which never fails
		_ = w.Close()
		text = base64.RawStdEncoding.EncodeToString(packed.Bytes())
		if len(text) <= claim.MaxProgressBytes || n == 1 {
			return text, n
		}
	}
}

// errBadIntent means that a progress is no intent.
var errBadIntent = errors.New("malformed intent")

// decodeIntent reads what encodeIntent wrote.
func decodeIntent(text string) ([]item, error) {
	packed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errBadIntent
	}
	const most = 64 << 20 // 256 times what a block of the longest keys takes
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most))
	if err != nil {
		return nil, errBadIntent
	}
	var items []item
	for len(raw) > 0 {
		var fields [2]string
		for i := range fields {
			size, n := binary.Uvarint(raw)
			if n <= 0 || size > uint64(len(raw)-n) {
				return nil, errBadIntent
			}
			fields[i] = string(raw[n : n+int(size)])
			raw = raw[n+int(size):]
		}
		items = append(items, item{Object: source.Object{Key: fields[0], Size: -1}, claimKey: fields[1]})
	}
	return items, nil
}
