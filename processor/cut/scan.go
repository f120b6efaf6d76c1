package cut

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// firstBuffer is how much of an object is held at first.
const firstBuffer = 256 << 10

// scan cuts the stream of an object into tokens.
type scan struct {
	ctx        context.Context
	body       io.Reader
	split      *source.Splitter
	buf        []byte
	start, end int
	eof        bool
	defect     error // of the object, where buf ends
	told       bool  // of the defect

	read                            int64 // bytes
	preamble, separators, records   int64 // bytes
	corruptBytes, corrupt, accepted int64 // bytes, records, records
}

func newScan(ctx context.Context, body io.Reader, cfg source.Split) (*scan, error) {
	split, err := source.NewSplitter(cfg)
	if err != nil {
		return nil, err
	}
	return &scan{ctx: ctx, body: body, split: split, buf: make([]byte, firstBuffer)}, nil
}

// piece is a record, or a piece of a corrupt one.
type piece struct {
	data   []byte // valid until the next call
	offset int64
	err    error // why it is corrupt
	more   bool  // the corrupt record goes on in the next piece
}

// next returns the next record, and io.EOF behind the last one. Any other error is
// that of the source.
func (s *scan) next() (piece, error) {
	for {
		if err := s.ctx.Err(); err != nil {
			return piece{}, err
		}
		offset := s.split.Offset()
		data := s.buf[s.start:s.end]
		t := s.split.Next(data, s.eof)
		s.start += t.Advance
		s.preamble += int64(t.Preamble)
		s.separators += int64(t.Advance - t.Preamble - (t.End - t.Start))
		switch t.Kind {
		case source.TokenRecord:
			s.records += int64(t.End - t.Start)
			s.accepted++
			return piece{data: data[t.Start:t.End], offset: offset + int64(t.Start)}, nil
		case source.TokenCorrupt:
			s.corruptBytes += int64(t.End - t.Start)
			if !t.Continues {
				s.corrupt++
			}
			return piece{data[t.Start:t.End], offset + int64(t.Start), t.Err, t.Continues}, nil
		case source.TokenEnd:
			return piece{}, s.balance()
		case source.TokenMore:
			if t.Advance > 0 {
				continue
			}
		}
		if s.defect != nil {
			return s.rest()
		}
		if err := s.fill(); err != nil {
			return piece{}, err
		}
	}
}

// rest returns what stands before a defect and is no whole record.
func (s *scan) rest() (piece, error) {
	if s.told {
		return piece{}, s.balance()
	}
	p := piece{data: s.buf[s.start:s.end], offset: s.split.Offset(), err: s.defect}
	s.told = true
	s.corrupt++
	s.corruptBytes += int64(len(p.data))
	s.start = s.end
	return p, nil
}

// fill reads on.
func (s *scan) fill() error {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, min(len(s.buf), max(s.split.MaxBuffer()-len(s.buf), firstBuffer)))...)
	}
	n, err := s.body.Read(s.buf[s.end:])
	s.end += n
	s.read += int64(n)
	switch {
	case err == nil:
		return nil
	case err == io.EOF:
		s.eof = true
		return nil
	case fault.Is(err, fault.ClassCorrupt):
		s.defect = err
		s.split.LookAgain()
		return nil
	}
	return err
}

var errBalance = errors.New("bytes are not accounted for")

// balance returns io.EOF if every byte that was read is accounted for.
func (s *scan) balance() error {
	if sum := s.preamble + s.separators + s.records + s.corruptBytes; sum != s.read {
		return fmt.Errorf("%w: %d read, %d counted", errBalance, s.read, sum)
	}
	return io.EOF
}
