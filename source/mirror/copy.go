package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/source"
)

// id stands for one version of an object.
type id [16]byte

func idOf(o source.Object) id {
	h := sha256.New()
	h.Write([]byte(o.Key))
	h.Write([]byte{0})
	h.Write([]byte(o.Identity()))
	return id(h.Sum(nil)[:16])
}

// maxDone is how many copies are remembered: about 4 MiB.
const maxDone = 1 << 17

// isDone reports whether it is known that there is a copy of an object.
func (s *mirrored) isDone(o source.Object) bool {
	if o.Identity() == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.done[idOf(o)]
	return ok
}

func (s *mirrored) noteDone(o source.Object) {
	if o.Identity() == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil || len(s.done) == maxDone {
		s.done = make(map[id]struct{}) // what is forgotten is compared again
	}
	s.done[idOf(o)] = struct{}{}
}

// hashLen is how much of a hash stands in the name of a further version.
const hashLen = 16

// copyOnce copies an object, as it was found, unless that was done. write writes
// its content. It may be called twice where the first call wrote to its end.
func (s *mirrored) copyOnce(ctx context.Context, found source.Object, write func(io.Writer) error) error {
	if s.isDone(found) {
		return nil
	}
	name := destination.FileName(found.Key, hashLen+1)
	_, _, err := s.store.Put(ctx, name, write)
	if errors.Is(err, destination.ErrDiffers) {
		_, _, err = s.store.Put(ctx, versionName(name, found), write)
	}
	if err != nil {
		return err
	}
	s.noteDone(found)
	return nil
}

// versionName is the name of a copy where another version has its own.
func versionName(name string, found source.Object) string {
	hash := idOf(found)
	folder, file := path.Split(name)
	stem, ext := file, ""
	if i := strings.IndexByte(file, '.'); i > 0 {
		stem, ext = file[:i], file[i:]
	}
	return folder + stem + "~" + hex.EncodeToString(hash[:hashLen/2]) + ext
}
