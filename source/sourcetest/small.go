package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/unspool-go/unspool/source"
)

// smallRules are those of source.SmallReader. They hold for a source that does
// not implement it.
func smallRules() []rule {
	return []rule{
		{"ReadObjectEqualsOpen", "ReadObject appends what Open would read, and tells the same object", small(readEqualsOpen)},
		{"ReadObjectUsesRoom", "ReadObject does not allocate where dst has room for the object and one byte", small(readUsesRoom)},
		{"ReadObjectTooLarge", "ReadObject returns ErrTooLarge for more than max bytes, and dst as it was", small(readTooLarge)},
		{"ReadObjectFails", "ReadObject fails like Open, and returns dst as it was", small(readFails)},
		{"ReadObjectKeepsNothing", "ReadObject does not keep dst: the caller overwrites it", small(readKeepsNothing)},
	}
}

func small(check func(context.Context, *trial, source.SmallReader) error) func(context.Context, *trial) error {
	return func(ctx context.Context, x *trial) error {
		if r, ok := x.Source.(source.SmallReader); ok {
			return check(ctx, x, r)
		}
		return nil
	}
}

func readEqualsOpen(ctx context.Context, x *trial, s source.SmallReader) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	const before = "what was there"
	for _, o := range all {
		got, found, err := s.ReadObject(ctx, o, []byte(before), len(x.files[o.Key]))
		if err != nil {
			return err
		}
		if err := want(o.Key, string(got), before+x.files[o.Key]); err != nil {
			return err
		}
		_, opened, err := x.read(ctx, o, 0, -1)
		if err != nil {
			return err
		}
		if found.Key != o.Key || found.Identity() != opened.Identity() || found.Size != opened.Size {
			return fmt.Errorf("found %+v, Open finds %+v", found, opened)
		}
	}
	return nil
}

func readUsesRoom(ctx context.Context, x *trial, s source.SmallReader) error {
	for key, content := range x.files {
		dst := make([]byte, 3, 3+len(content)+1)
		got, _, err := s.ReadObject(ctx, source.Object{Key: key, Size: -1}, dst, len(content))
		if err != nil {
			return err
		}
		if &got[0] != &dst[0] {
			return fmt.Errorf("%q has %d bytes, there was room for %d, and the slice is another", key, len(content), len(content)+1)
		}
	}
	return nil
}

func readTooLarge(ctx context.Context, x *trial, s source.SmallReader) error {
	for _, key := range []string{"a.json", longKey} {
		for _, max := range []int{0, 1, len(x.files[key]) - 1} {
			dst := append(make([]byte, 0, 10), "before"...)
			got, _, err := s.ReadObject(ctx, source.Object{Key: key, Size: -1}, dst, max)
			if !errors.Is(err, source.ErrTooLarge) {
				return fmt.Errorf("%d bytes with a maximum of %d: error %v", len(x.files[key]), max, err)
			}
			if string(got) != "before" {
				return fmt.Errorf("dst was %q and is %q", dst, got)
			}
		}
	}
	return nil
}

func readFails(ctx context.Context, x *trial, s source.SmallReader) error {
	_, o, err := s.ReadObject(ctx, source.Object{Key: "a.json", Size: -1}, nil, 1<<20)
	if err != nil {
		return err
	}
	if err := x.Write("a.json", "{}"); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		o    source.Object
		want error
	}{
		{ctx, o, source.ErrChanged},
		{ctx, source.Object{Key: "never/was", Size: -1}, fs.ErrNotExist},
		{ended, source.Object{Key: "a.json", Size: -1}, context.Canceled},
	} {
		got, _, err := s.ReadObject(c.ctx, c.o, []byte("before"), 1<<20)
		if !errors.Is(err, c.want) {
			return fmt.Errorf("read %q: error %v, want %w", c.o.Key, err, c.want)
		}
		if string(got) != "before" {
			return fmt.Errorf("read %q: dst was %q and is %q", c.o.Key, "before", got)
		}
	}
	return nil
}

func readKeepsNothing(ctx context.Context, x *trial, s source.SmallReader) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(x.files))
	for key, content := range x.files {
		wg.Go(func() {
			buf := make([]byte, 0, len(content)+1)
			for range 4 {
				got, _, err := s.ReadObject(ctx, source.Object{Key: key, Size: -1}, buf, len(content))
				if err == nil {
					err = want(key, string(got), content)
				}
				if err != nil {
					errs <- err
					return
				}
				for i := range got {
					got[i] = '!'
				}
			}
			// What Open reads must not have been overwritten with it.
			got, _, err := x.read(ctx, source.Object{Key: key, Size: -1}, 0, -1)
			if err == nil {
				err = want(key+" after the buffers of ReadObject were overwritten", got, content)
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
