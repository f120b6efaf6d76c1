package dynamodbtest

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"strconv"
)

// maxSegments is how many segments a scan may have.
const maxSegments = 1_000_000

func (s *Server) scan(r *request) ([]byte, *apiError) {
	g, p, err := s.decodePage(r)
	if err != nil {
		return nil, err
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	from, to, err := segment(r.in)
	if err != nil {
		return nil, err
	}
	if g.start != "" {
		if g.start < from || to != "" && g.start >= to {
			return nil, invalid("The provided starting key is invalid: it is not of the segment")
		}
		from = g.start + "\x00"
	}
	return g.read(s, r, func() iter.Seq[entry] { return g.table.items.between(from, to, false) })
}

// segment reads Segment and TotalSegments: the keys from which and up to which it
// goes, which is a range of hashes. to is empty at the end of the table.
func segment(in ref) (from, to string, err *apiError) {
	n, hasN, err := in.integer("Segment")
	if err != nil {
		return "", "", err
	}
	total, hasTotal, err := in.integer("TotalSegments")
	switch {
	case err != nil:
		return "", "", err
	case !hasN && !hasTotal:
		return "", "", nil
	case !hasTotal:
		return "", "", invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case !hasN:
		return "", "", invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case total < 1 || total > maxSegments:
		return "", "", invalid("1 validation error detected: Value '%d' at 'totalSegments' failed to satisfy constraint: Member must have value between 1 and %d", total, maxSegments)
	case n < 0 || n >= total:
		return "", "", invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", n, total)
	}
	if n+1 < total {
		to = boundary(n+1, total)
	}
	return boundary(n, total), to, nil
}

// boundary is the first key of the n-th of total equal ranges of hashes.
func boundary(n, total int) string {
	h, _ := bits.Div64(uint64(n), 0, uint64(total)) // n × 2^64 / total
	return string(binary.BigEndian.AppendUint64(nil, h))
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
