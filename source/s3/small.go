package s3

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// ReadObject implements [source.SmallReader]: one GET. An object whose listed
// size is more than max is not asked for.
func (s *Source) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	out, found, err := s.readObject(ctx, o, dst, max)
	if err != nil {
		return dst, found, fmt.Errorf("s3: read %q: %w", o.Key, err)
	}
	return out, found, nil
}

func (s *Source) readObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if o.Size > int64(max) {
		return dst, o, source.ErrTooLarge
	}
	a, err := s.get(ctx, o, s.ifMatch(o), part{0, -1})
	if err != nil {
		return dst, source.Object{}, err
	}
	defer a.close()
	if a.found.Size > int64(max) {
		return dst, a.found, source.ErrTooLarge
	}
	// One byte more than there should be: the read that leaves it free meets the
	// end, and with it the SDK's comparison of checksums.
	want := int(a.found.Size)
	out := slices.Grow(dst, want+1)
	room := out[len(dst) : len(dst)+want+1]
	for got := 0; ; {
		n, err := a.read(room[got:])
		got += n
		switch {
		case err == io.EOF && got == want:
			return out[:len(dst)+want], a.found, nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		case err == nil:
			continue
		}
		return dst, a.found, fault.Interrupted(ended(ctx, err))
	}
}

// ended adds to an error of reading the end of the context, if that is why.
func ended(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil {
		return end
	}
	return err
}
