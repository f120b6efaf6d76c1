package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/unspool-go/unspool/claim/internal/lease"
)

const (
	// mergeWidth is how many neighbouring segments of one tier are merged into
	// one of the next: a key is written again once a tier, and a look-up meets
	// at most mergeWidth segments of each.
	mergeWidth = 8
	// logBytes is how long the log may become before it starts anew even if
	// few keys were finished.
	logBytes = 16 << 20
	// entryBytes is about what an entry of the table takes in the log.
	entryBytes = 128
)

// opening and closing are the payloads that start and end a process's part of
// the log.
func (s *Store) opening(b []byte) []byte {
	return binary.AppendUvarint(append(b, kindOpen), s.epoch)
}

func closing(b []byte) []byte { return append(b, kindClose) }

// full reports whether recent is to be written to a segment. The caller holds
// mu.
func (s *Store) full() bool {
	return len(s.recent.pairs) >= s.limit || s.recent.bytes >= s.limit*meanKeyBytes
}

// freezeIfFull starts a new log, and a goroutine that writes recent to a
// segment, once there is enough for it. The caller holds mu.
func (s *Store) freezeIfFull() error {
	if s.frozen != nil {
		return nil
	}
	end := s.log.end()
	// Copying the table costs as much as its length, so the log must have grown
	// by several times that before: else keys that wait for days would be
	// written over and over.
	room := int64(4*entryBytes*s.table.Len()) + logBytes
	if !s.full() && end-s.keptAt < 2*room {
		return nil
	}
	now := s.clock.Now()
	s.table.Sweep(now)
	id := s.nextID.Add(1) - 1
	if err := s.log.rotate(id); err != nil {
		return err
	}
	if end-s.keptAt >= room-logBytes {
		s.keepTable()
		s.firstLog = id
	}
	s.frozen, s.recent, s.spare = s.recent, s.spare, nil
	frozen, first, position := s.frozen, s.firstLog, s.log.end()
	s.background.Go(func() {
		if err := s.spill(frozen, first, id, position); err != nil {
			_ = s.fail(err) // every later call returns it
		}
	})
	return nil
}

// keepTable copies the table into the log, so that those before can go. The
// caller holds mu.
func (s *Store) keepTable() {
	type item struct {
		key   string
		entry lease.Entry
	}
	items := make([]item, 0, s.table.Len())
	for key, e := range s.table.All {
		items = append(items, item{key, e})
	}
	for part := range slices.Chunk(items, entryKeys) {
		s.log.append(func(b []byte) []byte {
			b = append(b, kindKeep)
			for _, it := range part {
				b = appendEntry(b, it.key, it.entry)
			}
			return b
		})
	}
	s.keptAt = s.log.end()
}

// spill writes a frozen memtable to a segment. Then leases are replayed from
// the log first on, and finished keys from the log fresh on; the latter is
// durable from its start to position before.
func (s *Store) spill(frozen *memtable, first, fresh uint64, position int64) error {
	seg, err := s.writeSegment(frozen)
	if err != nil {
		return err
	}
	if err := s.log.sync(position); err != nil {
		return err
	}
	s.shaping.Lock()
	defer s.shaping.Unlock()
	segments := s.segments
	if seg != nil {
		segments = append(slices.Clip(segments), seg)
	}
	finished := s.finished + frozen.net
	if err := s.writeManifest(first, fresh, finished, segments); err != nil {
		return err
	}
	s.mu.Lock()
	s.segments, s.finished = segments, finished
	s.spills++
	frozen.reset()
	s.frozen, s.spare = nil, frozen
	s.mu.Unlock()
	s.spilled.Broadcast()

	s.first, s.fresh = first, fresh
	if err := s.removeLogs(first); err != nil {
		return err
	}
	if !s.merging && len(mergeable(s.segments)) > 0 && !s.stopping.Load() {
		s.merging = true
		s.background.Go(func() {
			if err := s.merge(); err != nil {
				_ = s.fail(err) // every later call returns it
			}
		})
	}
	return nil
}

// writeSegment writes the keys of a memtable; none gives no segment.
func (s *Store) writeSegment(m *memtable) (*segment, error) {
	if len(m.pairs) == 0 {
		return nil, nil
	}
	pairs := slices.Clone(m.pairs) // still looked up by index
	pairs.sort()
	info := segmentInfo{ID: s.nextID.Add(1) - 1}
	w, err := createSegment(fileName(s.dir, info.ID, segmentExt), len(pairs))
	if err != nil {
		return nil, err
	}
	var key []byte
	for _, p := range pairs {
		key = append(key[:0], p.key...)
		w.add(key, p.finish)
	}
	if err := w.finish(); err != nil {
		return nil, fmt.Errorf("write segment: %w", err)
	}
	return openSegment(s.dir, info)
}

// writeManifest replaces the manifest. The caller holds shaping.
func (s *Store) writeManifest(first, fresh uint64, finished int64, segments []*segment) error {
	m := manifest{Epoch: s.epoch, Log: first, Fresh: fresh, Finished: finished}
	for _, seg := range segments {
		m.Segments = append(m.Segments, seg.info)
	}
	if err := writeManifest(s.dir, m); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// removeLogs removes the logs before first.
func (s *Store) removeLogs(first uint64) error {
	logs, err := numbered(s.dir, logExt)
	if err != nil {
		return err
	}
	for _, id := range logs {
		if id < first {
			if err := remove(fileName(s.dir, id, logExt)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeable returns the oldest run of neighbours to be merged.
func mergeable(segments []*segment) []*segment {
	for i := 0; i+mergeWidth <= len(segments); i++ {
		n := 1
		for n < mergeWidth && segments[i+n].info.Tier == segments[i].info.Tier {
			n++
		}
		if n == mergeWidth {
			return segments[i : i+n]
		}
	}
	return nil
}

// merge merges segments until there are few enough, or the store closes.
func (s *Store) merge() error {
	for {
		s.shaping.Lock()
		old := mergeable(s.segments)
		// Nothing older is there to be hidden by a key that was forgotten.
		oldest := len(old) > 0 && old[0] == s.segments[0]
		if len(old) == 0 || s.stopping.Load() || s.err() != nil {
			s.merging = false
			s.shaping.Unlock()
			return nil //nolint:nilerr // what stopped the store is known already
		}
		s.shaping.Unlock()

		merged, err := s.mergeSegments(old, oldest)
		if errors.Is(err, errStopped) {
			continue
		}
		if err != nil {
			return fmt.Errorf("merge segments: %w", err)
		}
		if err := s.replaceSegments(old, merged); err != nil {
			return err
		}
	}
}

// errStopped ends a merge that Close does not wait for.
var errStopped = errors.New("stopped")

// mergeSegments writes one segment with the keys of old.
func (s *Store) mergeSegments(old []*segment, oldest bool) (*segment, error) {
	runs := make([]run, len(old))
	keys := 0
	for i, seg := range old {
		runs[i] = &cursor{seg: seg}
		keys += int(seg.keys)
	}
	m, err := newMerger(runs)
	if err != nil {
		return nil, err
	}
	info := segmentInfo{ID: s.nextID.Add(1) - 1, Tier: old[0].info.Tier + 1}
	w, err := createSegment(fileName(s.dir, info.ID, segmentExt), keys)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		if n%4096 == 0 && s.stopping.Load() {
			return nil, errors.Join(errStopped, w.abort())
		}
		key, f, err := m.next()
		if err != nil {
			return nil, errors.Join(err, w.abort())
		}
		if key == nil {
			break
		}
		if !oldest || !f.forgotten() {
			w.add(key, f)
		}
	}
	if err := w.finish(); err != nil {
		return nil, err
	}
	return openSegment(s.dir, info)
}

// replaceSegments puts merged in the place of old. Only the end of the list
// can have changed since old was taken from it.
func (s *Store) replaceSegments(old []*segment, merged *segment) error {
	s.shaping.Lock()
	defer s.shaping.Unlock()
	at := slices.Index(s.segments, old[0])
	segments := slices.Concat(s.segments[:at], []*segment{merged}, s.segments[at+len(old):])
	if err := s.writeManifest(s.first, s.fresh, s.finished, segments); err != nil {
		return err
	}
	s.mu.Lock()
	s.segments = segments
	s.mu.Unlock()
	for _, seg := range old {
		seg.garbage.Store(true)
		seg.release()
	}
	return nil
}
