package decompress

import (
	"bufio"
	"compress/bzip2"
	"io"
)

// bzip2Decoder decodes bzip2: one stream or several.
type bzip2Decoder struct {
	in *bufio.Reader
	io.Reader
}

func (d *bzip2Decoder) reset() error {
	d.Reader = bzip2.NewReader(d.in) // which cannot be used again
	return nil
}
