package quorum

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source"
)

// survey is what a folder holds of one group.
type survey struct {
	members []source.Object // the first Window behind a name, in order
	left    bool            // there are more behind those
	markers []source.Object // at most Window
	sum     setSum
}

// survey lists what a group is made of. It fails with fs.ErrNotExist where there is
// no marker.
func (s *merged) survey(ctx context.Context, g group, after string) (survey, error) {
	var v survey
	var h greatest
	for o, err := range source.Folder(ctx, s.inner, g.folder) {
		if err != nil {
			return v, err
		}
		if mark, ok := s.cfg.marker(o.Key); ok {
			if mark == g && len(v.markers) < s.cfg.Window {
				v.markers = append(v.markers, o)
			}
			continue
		}
		if !s.cfg.has(g, o.Key) {
			continue
		}
		if o, err = s.identified(ctx, o); err != nil {
			return v, err
		}
		v.sum.add(o)
		switch {
		case o.Key <= after && after != "":
		case len(h) < s.cfg.Window:
			heap.Push(&h, o)
		case o.Key < h[0].Key:
			h[0], v.left = o, true
			heap.Fix(&h, 0)
		default:
			v.left = true
		}
	}
	if len(v.markers) == 0 {
		return v, fs.ErrNotExist
	}
	slices.SortFunc(h, func(a, b source.Object) int { return strings.Compare(a.Key, b.Key) })
	v.members = h
	return v, nil
}

// identified returns an object with what tells its content from any other, where
// the listing does not say it.
func (s *merged) identified(ctx context.Context, o source.Object) (source.Object, error) {
	if o.Identity() != "" {
		return o, nil
	}
	if r, ok := s.inner.(source.Remover); ok {
		found, _, err := r.Stat(ctx, o.Key)
		return found, gone(err)
	}
	r, found, err := s.inner.Open(ctx, o, 0, -1)
	if err != nil {
		return o, gone(err)
	}
	return found, r.Close()
}

// gone turns the error of an object that was listed and is gone into that of a set
// that changed: what is made of the others is still there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", source.ErrChanged, err.Error())
	}
	return err
}

// found returns the object that a survey found.
func (s *merged) found(key string, v survey) source.Object {
	o := source.Object{Key: key, Version: v.sum.version(), Size: -1, Encoding: "merged"}
	if len(v.markers) == 1 && (s.cfg.Name != "" || s.cfg.ByStem) {
		o.ModTime = v.markers[0].ModTime
	}
	if s.cfg.Header > 0 {
		o.Encoding += "-" + strconv.Itoa(s.cfg.Header)
	}
	if _, ok := s.inner.(source.Decoder); ok {
		o.Encoding = "decoded+" + o.Encoding
	}
	return o
}

// look surveys the group whose key o has, and fails where it is not what o says.
func (s *merged) look(ctx context.Context, o source.Object) (group, survey, source.Object, error) {
	g, ok := s.cfg.marker(o.Key)
	if !ok || s.cfg.key(g) != o.Key {
		return g, survey{}, o, fs.ErrNotExist
	}
	v, err := s.survey(ctx, g, "")
	if err != nil {
		return g, v, o, err
	}
	found := s.found(o.Key, v)
	if !o.SameAs(found) {
		return g, v, found, source.ErrChanged
	}
	return g, v, found, nil
}

// setSum stands for a set of objects, in whatever order they are listed: it is the
// sum of hashes of their keys and identities, and their number.
type setSum struct {
	lanes [4]uint64
	n     int64
}

func (s *setSum) add(o source.Object) {
	h := sha256.New()
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(o.Key)))
	h.Write(size[:])
	h.Write([]byte(o.Key))
	binary.LittleEndian.PutUint64(size[:], uint64(o.Size))
	h.Write(size[:])
	h.Write([]byte(o.Identity()))
	sum := h.Sum(nil)
	for i := range s.lanes {
		s.lanes[i] += binary.LittleEndian.Uint64(sum[8*i:])
	}
	s.n++
}

// version is the sum as a version.
func (s *setSum) version() string {
	var b []byte
	for _, lane := range s.lanes {
		b = binary.LittleEndian.AppendUint64(b, lane)
	}
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(s.n)))
	return strconv.FormatInt(s.n, 10) + "-" + hex.EncodeToString(sum[:16])
}

// greatest is a heap of objects with the greatest key on top.
type greatest []source.Object

func (h greatest) Len() int           { return len(h) }
func (h greatest) Less(i, j int) bool { return h[i].Key > h[j].Key }
func (h greatest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *greatest) Push(x any)        { *h = append(*h, x.(source.Object)) }
func (h *greatest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// latest is the later of two times, zero where one is not known.
func latest(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if a.After(b) {
		return a
	}
	return b
}
