package decompress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// gzipDecoder decodes RFC 1952: one member or several. Zeroes behind the last
// one are padding, as gzip(1) has it; anything else there is a defect.
type gzipDecoder struct {
	in     *bufio.Reader
	z      gzip.Reader
	inside bool // of a member
	first  bool // no member was read
}

func (d *gzipDecoder) reset() error {
	d.inside, d.first = false, true
	return nil
}

// Read implements [io.Reader].
func (d *gzipDecoder) Read(p []byte) (int, error) {
	for {
		if !d.inside {
			if err := d.next(); err != nil {
				return 0, err
			}
		}
		n, err := d.z.Read(p)
		if err == io.EOF {
			d.inside, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

var errTrailing = errors.New("something else follows what is compressed")

// next begins with the next member. It returns io.EOF if there is none.
func (d *gzipDecoder) next() error {
	head, err := d.in.Peek(1)
	switch {
	case d.first && err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case !d.first && head[0] == 0:
		return d.padding()
	case !d.first && head[0] != 0x1f:
		return errTrailing
	}
	if err := d.z.Reset(d.in); err != nil {
		return unexpected(err)
	}
	d.z.Multistream(false)
	d.inside, d.first = true, false
	return nil
}

// padding reads zeroes to the end.
func (d *gzipDecoder) padding() error {
	for {
		c, err := d.in.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			return errTrailing
		}
	}
}

// unexpected returns err, or that it is too early if it is io.EOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// gzipSize is how long the last member of an object says that it gets: the whole
// object gets no shorter, if that is true.
func gzipSize(data []byte) int64 {
	if len(data) < 18 {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(data[len(data)-4:]))
}
