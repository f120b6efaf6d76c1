package parquet

import (
	"encoding/binary"
	"errors"
)

var errRuns = errors.New("runs of values are not what they should be")

// hybrid reads numbers of some bits from runs of equal ones and runs of packed
// ones:
// https://github.com/apache/parquet-format/blob/master/Encodings.md#run-length-encoding--bit-packing-hybrid-rle--3
type hybrid struct {
	data  []byte
	width uint   // bits, at most 32
	equal uint64 // numbers left of a run of equal ones
	same  uint32 // what they are
	more  uint64 // numbers left of a run of packed ones
	bits  uint64 // the next ones of it
	have  uint   // so many bits of it
}

func newHybrid(data []byte, width uint) hybrid { return hybrid{data: data, width: width} }

// next returns the next number.
func (h *hybrid) next() (uint32, error) {
	if h.width == 0 {
		return 0, nil
	}
	for h.equal == 0 && h.more == 0 {
		if err := h.run(); err != nil {
			return 0, err
		}
	}
	if h.equal > 0 {
		h.equal--
		return h.same, nil
	}
	for h.have < h.width {
		if len(h.data) == 0 {
			return 0, errRuns
		}
		h.bits |= uint64(h.data[0]) << h.have
		h.data, h.have = h.data[1:], h.have+8
	}
	v := uint32(h.bits & (1<<h.width - 1))
	h.bits >>= h.width
	h.have -= h.width
	h.more--
	return v, nil
}

// run begins with the next run.
func (h *hybrid) run() error {
	head, n := binary.Uvarint(h.data)
	if n <= 0 {
		return errRuns
	}
	h.data = h.data[n:]
	if head&1 != 0 {
		h.more, h.bits, h.have = head>>1*8, 0, 0
		return nil
	}
	size := int(h.width+7) / 8
	if len(h.data) < size {
		return errRuns
	}
	h.equal, h.same = head>>1, 0
	for i, b := range h.data[:size] {
		h.same |= uint32(b) << (8 * i)
	}
	h.data = h.data[size:]
	return nil
}
