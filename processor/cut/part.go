package cut

import (
	"bytes"
	"io"

	"github.com/unspool-go/unspool/internal/codec"
)

// parts makes parts of the records of an object.
type parts struct {
	job   *job
	scan  *scan
	limit int64

	headers, headerBytes int64 // that were taken
	held                 piece // the record that did not fit into the last part
	holds                bool
	line                 []byte
	part                 Part // that is being made
}

// record returns the next record that is not corrupt, as a line. ok is false behind
// the last one.
func (p *parts) record() (ok bool, err error) {
	if p.holds {
		return true, nil
	}
	for {
		r, err := p.scan.next()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case r.err != nil:
			continue // see putCorrupt
		}
		p.line = append(append(p.line[:0], r.data...), '\n')
		if !p.job.cutter.cfg.Split.Raw {
			oneLine(p.line[:len(p.line)-1])
		}
		if p.headers < int64(p.job.cutter.cfg.Header) {
			p.headers++
			p.headerBytes += int64(len(r.data))
			p.job.header = append(p.job.header, p.line...)
			continue
		}
		r.data = nil
		p.held, p.holds = r, true
		return true, nil
	}
}

// oneLine puts a JSON value into one line: line breaks are white space between its
// tokens, since no string may hold one.
func oneLine(value []byte) {
	for i := bytes.IndexAny(value, "\n\r"); i >= 0; {
		value[i] = ' '
		next := bytes.IndexAny(value[i:], "\n\r")
		if next < 0 {
			return
		}
		i += next
	}
}

// begin begins the next part, and reports whether there is one.
func (p *parts) begin() (bool, error) {
	ok, err := p.record()
	if !ok || err != nil {
		return false, err
	}
	p.part = Part{Offset: p.held.offset}
	return true, nil
}

// writeTo writes the part.
func (p *parts) writeTo(w io.Writer) error {
	if _, err := w.Write(p.job.header); err != nil {
		return err
	}
	p.part.Bytes = int64(len(p.job.header))
	most := p.job.cutter.cfg.PartRecords
	for {
		ok, err := p.record()
		if !ok || err != nil {
			return err
		}
		n := int64(len(p.line))
		if p.part.Records > 0 && (p.part.Bytes+n > p.limit || most > 0 && p.part.Records == most) {
			return nil
		}
		if _, err := w.Write(p.line); err != nil {
			return err
		}
		p.part.Records++
		p.part.Bytes += n
		p.holds = false
	}
}

// compressTo writes the part as its file holds it.
func (p *parts) compressTo(w io.Writer) error {
	z, err := codec.NewWriter(w, p.job.cutter.cfg.Ext)
	if err != nil {
		return err
	}
	if err := p.writeTo(z); err != nil {
		return err // a codec holds nothing that needs to be closed
	}
	return z.Close()
}
