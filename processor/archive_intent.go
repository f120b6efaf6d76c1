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
	keys := make([]string, len(items))
	for i, it := range items {
		keys[i] = it.Key
	}
	var gone []string
	for i, now := range a.look(a.work, keys) {
		switch {
		case errors.Is(now.Err, fs.ErrNotExist):
			gone = append(gone, items[i].claimKey)
		case now.Err != nil:
			return a.unlessOver("look at what the last archiver intended", now.Err)
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

// intentWriter encodes intents. The zero value is ready for use.
type intentWriter struct {
	packer *flate.Writer // large, and so used again
	raw    []byte
	packed bytes.Buffer
}

// encode returns the text for as many of the items as it has room for, at least
// one, and how many those are. Names come after those that are like them: of each
// only what differs from the last is in the text.
func (w *intentWriter) encode(items []item) (text string, n int) {
	for n = len(items); ; {
		text = w.text(items[:n])
		if len(text) <= claim.MaxProgressBytes || n == 1 {
			return text, n
		}
		n = max(1, min(n-1, n*claim.MaxProgressBytes/len(text)))
	}
}

func (w *intentWriter) text(items []item) string {
	w.raw = w.raw[:0]
	last := ""
	for _, it := range items {
		shared := commonPrefix(last, it.Key)
		w.raw = binary.AppendUvarint(w.raw, uint64(shared))
		w.field(it.Key[shared:])
		if last = it.Key; it.claimKey == it.Key {
			w.field("") // claim keys are not empty
		} else {
			w.field(it.claimKey)
		}
	}
	w.packed.Reset()
	if w.packer == nil {
		w.packer, _ = flate.NewWriter(&w.packed, flate.BestSpeed) // the level is known
	} else {
		w.packer.Reset(&w.packed)
	}
	_, _ = w.packer.Write(w.raw) // to memory, which never fails
	_ = w.packer.Close()
	return base64.RawStdEncoding.EncodeToString(w.packed.Bytes())
}

func (w *intentWriter) field(text string) {
	w.raw = binary.AppendUvarint(w.raw, uint64(len(text)))
	w.raw = append(w.raw, text...)
}

// commonPrefix returns how many bytes a and b begin with alike.
func commonPrefix(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// errBadIntent means that a progress is no intent.
var errBadIntent = errors.New("malformed intent")

// decodeIntent reads what an intentWriter wrote.
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
	last := ""
	for r := (intentReader{raw}); len(r.rest) > 0; {
		shared, ok := r.number()
		differs, ok1 := r.field()
		claimKey, ok2 := r.field()
		if !ok || !ok1 || !ok2 || shared > uint64(len(last)) {
			return nil, errBadIntent
		}
		last = last[:shared] + differs
		if claimKey == "" {
			claimKey = last
		}
		items = append(items, item{source.Seen{Object: source.Object{Key: last, Size: -1}}, claimKey})
	}
	return items, nil
}

// intentReader takes apart what an intentWriter wrote.
type intentReader struct{ rest []byte }

func (r *intentReader) number() (uint64, bool) {
	number, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, false
	}
	r.rest = r.rest[n:]
	return number, true
}

func (r *intentReader) field() (string, bool) {
	size, ok := r.number()
	if !ok || size > uint64(len(r.rest)) {
		return "", false
	}
	text := string(r.rest[:size])
	r.rest = r.rest[size:]
	return text, true
}
