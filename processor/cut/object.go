package cut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Object cuts one object, and returns its manifest. fresh is false where it was
// there already. Errors are those of the source, the destinations and the sink,
// classified as these have it; with any, there is no manifest, and calling again
// goes on.
func (c *Cutter) Object(ctx context.Context, o source.Object) (m Manifest, fresh bool, err error) {
	m, fresh, err = c.object(ctx, o)
	if err != nil {
		return m, fresh, fmt.Errorf("cut %q: %w", o.Key, err)
	}
	return m, fresh, nil
}

func (c *Cutter) object(ctx context.Context, o source.Object) (Manifest, bool, error) {
	out, err := c.output(ctx)
	if err != nil {
		return Manifest{}, false, err
	}
	body, found, err := c.cfg.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return Manifest{}, false, err
	}
	defer body.Close() // only read
	j := &job{cutter: c, ctx: ctx, object: found, folder: c.folder(found, out.limit)}
	if m, ok, err := c.manifest(ctx, j.folder); ok || err != nil {
		return m, false, err
	}
	j.manifest = Manifest{Object: found.Key, Version: found.Identity(), Encoding: found.Encoding, Parts: []Part{}}
	if err := j.run(body, out); err != nil {
		return j.manifest, false, err
	}
	return j.manifest, true, c.commit(ctx, j.folder, &j.manifest)
}

// job is the cutting of one object.
type job struct {
	cutter   *Cutter
	ctx      context.Context
	object   source.Object
	folder   string
	manifest Manifest
	header   []byte
}

// output is where parts go.
type output struct {
	limit int64 // bytes of a part
	*sender
}

func (j *job) run(body io.Reader, out *output) error {
	s, err := newScan(j.ctx, body, j.cutter.cfg.Split)
	if err != nil {
		return err
	}
	p := &parts{job: j, scan: s, limit: out.limit}
	if out.sender != nil {
		err = out.send(j, p)
	} else {
		err = j.files(p)
	}
	if err != nil {
		return err
	}
	m := &j.manifest
	m.Bytes, m.PreambleBytes, m.SeparatorBytes = s.read, s.preamble, s.separators
	m.HeaderBytes = p.headerBytes
	m.RecordBytes = s.records - p.headerBytes
	m.Records, m.Corrupt, m.CorruptBytes = s.accepted-p.headers, s.corrupt, s.corruptBytes
	if m.Corrupt == 0 {
		return nil
	}
	return j.putCorrupt()
}

// files writes all parts as files.
func (j *job) files(p *parts) error {
	for n := 1; ; n++ {
		more, err := p.begin()
		if err != nil || !more {
			return err
		}
		name := fmt.Sprintf("%s/part%06d-%012d%s", j.folder, n, p.part.Offset, j.cutter.cfg.Ext)
		if _, _, err := j.cutter.to.Put(j.ctx, name, p.compressTo); err != nil {
			return err
		}
		p.part.Name = name
		j.manifest.Parts = append(j.manifest.Parts, p.part)
	}
}

// errOther means that the object was not the same when it was read again.
var errOther = errors.New("it is not the same when it is read again")

// putCorrupt reads the object again and writes what is corrupt of it.
func (j *job) putCorrupt() error {
	body, found, err := j.cutter.cfg.Source.Open(j.ctx, j.object, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close() // only read
	j.object = found
	s, err := newScan(j.ctx, body, j.cutter.cfg.Split)
	if err != nil {
		return err
	}
	name := j.folder + "/corrupt.ndjson"
	_, _, err = j.cutter.corrupt.Put(j.ctx, name, func(w io.Writer) error {
		for {
			p, err := s.next()
			switch {
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			case p.err == nil:
				continue
			}
			env := j.envelope(p.offset, p.err)
			if p.more {
				_, err = env.Stream(w, flawText(&corruptReader{s, p}, p.err))
			} else {
				env.Data = p.data
				if source.IsFlaw(p.err) {
					env.Data = source.AppendFlawText(nil, p.data)
				}
				_, err = w.Write(env.Append(nil))
			}
			if err != nil {
				return err
			}
		}
	})
	switch {
	case err != nil:
		return err
	case s.corrupt != j.manifest.Corrupt || s.corruptBytes != j.manifest.CorruptBytes || s.read != j.manifest.Bytes:
		return fmt.Errorf("%w: %w", source.ErrChanged, errOther)
	}
	j.manifest.CorruptFile = name
	return nil
}

// envelope is that of something that is corrupt. Its time is the object's, so that
// it is the same in each pass.
func (j *job) envelope(offset int64, cause error) destination.Envelope {
	at := j.object.ModTime
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	return destination.Envelope{
		Object: j.object.Key, Version: j.object.Identity(), Offset: offset,
		Class: fault.ClassCorrupt.String(), Reason: cause.Error(), Time: at.UTC(),
	}
}

// corruptReader reads a corrupt record that comes in pieces.
type corruptReader struct {
	scan *scan
	now  piece
}

// Read implements [io.Reader].
func (r *corruptReader) Read(p []byte) (int, error) {
	for len(r.now.data) == 0 {
		if !r.now.more {
			return 0, io.EOF
		}
		next, err := r.scan.next()
		if err != nil {
			return 0, noEOF(err)
		}
		r.now = next
	}
	n := copy(p, r.now.data)
	r.now.data = r.now.data[n:]
	return n, nil
}

// flawText returns a reader of the text of a corrupt record as it was before it
// was decoded.
func flawText(r io.Reader, reason error) io.Reader {
	if source.IsFlaw(reason) {
		return source.FlawText(r)
	}
	return r
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
