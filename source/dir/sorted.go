package dir

import (
	"bytes"
	"io"
	"slices"
)

// maxSorted is how many names of a folder are sorted at a time.
const maxSorted = 64 << 10

// sorted gives the names of a folder in the order of the keys they lead to: a
// folder is compared with a slash at its end. Only so many are held at a time,
// the least of those not given yet; the folder is read again for the next ones.
type sorted struct {
	open func() (entries, error)
	most int // names held at a time

	names []byte // what spans refer to
	spans []span
	given int
	last  []byte // the last name of spans, with a slash if it is a folder
	ended bool   // nothing comes after spans
}

// span is an entry in memory that is shared by many. Folders have their slash.
type span struct {
	from uint32
	size uint16
	kind kind
}

func (s *sorted) name(p span) []byte { return s.names[p.from : p.from+uint32(p.size)] }

func (s *sorted) next() (entry, error) {
	for s.given == len(s.spans) {
		if s.ended {
			return entry{}, io.EOF
		}
		if err := s.read(); err != nil {
			return entry{}, err
		}
	}
	p := s.spans[s.given]
	s.given++
	name := s.name(p)
	if p.kind == kindFolder {
		name = name[:len(name)-1]
	}
	return entry{name: name, kind: p.kind}, nil
}

// close has nothing to release: the folder is open during read only.
func (s *sorted) close() {}

// read collects the least names after last.
func (s *sorted) read() error {
	folder, err := s.open()
	if err != nil {
		return err
	}
	defer folder.close()
	s.names, s.spans, s.given, s.ended = s.names[:0], s.spans[:0], 0, true
	var bound []byte // names from here on are not among the least
	for {
		e, err := folder.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		from := len(s.names)
		s.names = append(s.names, e.name...)
		if e.kind == kindFolder {
			s.names = append(s.names, '/')
		}
		name := s.names[from:]
		switch {
		case bytes.Compare(name, s.last) <= 0:
			s.names = s.names[:from]
			continue
		case bound != nil && bytes.Compare(name, bound) >= 0:
			s.names, s.ended = s.names[:from], false
			continue
		}
		s.spans = append(s.spans, span{from: uint32(from), size: uint16(len(name)), kind: e.kind})
		if len(s.spans) == 2*s.most {
			s.cut()
			bound = append(bound[:0], s.name(s.spans[s.most-1])...)
		}
	}
	s.cut()
	if len(s.spans) > 0 {
		s.last = append(s.last[:0], s.name(s.spans[len(s.spans)-1])...)
	}
	return nil
}

// cut sorts what was collected and keeps as many of the least as are held.
func (s *sorted) cut() {
	slices.SortFunc(s.spans, func(a, b span) int { return bytes.Compare(s.name(a), s.name(b)) })
	if len(s.spans) <= s.most {
		return
	}
	s.spans, s.ended = s.spans[:s.most], false
	kept := make([]byte, 0, len(s.names))
	for i, p := range s.spans {
		s.spans[i].from = uint32(len(kept))
		kept = append(kept, s.name(p)...)
	}
	s.names = kept
}
