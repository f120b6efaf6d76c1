package processor

import (
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/unspool-go/unspool/source"
)

// maxKnown is how many objects a Run remembers to be done: about 20 MiB.
const maxKnown = 1 << 19

// known are objects of which a Run knows that they are done, because it finished
// them or was told so: when it lists again the claim store is not asked for them
// once more. They are remembered by a hash of 128 bits, and where there are too
// many the store is asked for those beyond. A nil known knows nothing: a Watch
// lists everything again to find what an operator gave back.
//
// It is safe for concurrent use.
type known struct {
	most  int
	seeds [2]maphash.Seed

	mu   sync.Mutex
	done map[objectMark]struct{}
}

// objectMark stands for an object as it was listed.
type objectMark [2]uint64

func newKnown(most int) *known {
	return &known{
		most: most, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		done: make(map[objectMark]struct{}),
	}
}

// mark returns the mark of an object. Another object under its key has another
// one, as far as the listing tells them apart.
func (k *known) mark(o *source.Object) (m objectMark) {
	if k == nil {
		return m
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(o.Key)))
	identity := o.Identity()
	for i, seed := range k.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.Write(size[:])
		_, _ = h.WriteString(o.Key)
		_, _ = h.WriteString(identity)
		m[i] = h.Sum64()
	}
	return m
}

// add notes that the object of a mark is done.
func (k *known) add(m objectMark) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.done) < k.most {
		k.done[m] = struct{}{}
	}
}

// has reports whether the object of a mark is known to be done.
func (k *known) has(m objectMark) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.done[m]
	return ok
}
