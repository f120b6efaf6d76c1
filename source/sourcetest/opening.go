package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

func openRules() []rule {
	return []rule{
		{"OpenReadsAll", "Open(o, 0, -1) gives every byte, then io.EOF, however small the reads are", openReadsAll},
		{"OpenTellsWhatItFound", "Open returns the object as it was found: same key, right size (unless it is decoded), something that tells contents apart", openTells},
		{"OpenRange", "Open gives exactly the n bytes from off on, or ErrNoRange where off is not 0", openRange},
		{"Gone", "an object that is gone gives an error that wraps fs.ErrNotExist", gone},
		{"Changed", "an object that is not the one asked for gives an error that wraps ErrChanged", changed},
		{"ChangedWhileRead", "a change while an object is read gives ErrChanged, or the old content whole", changedWhileRead},
		{"ConcurrentOpen", "Open may be called by many goroutines at once", concurrentOpen},
		{"ContextGovernsRead", "when ctx ends, opening and reading fail with its error", contextGoverns},
		{"ReadersCloseEarly", "a reader can be closed before its end", closeEarly},
		{"ErrorsNameTheObject", "errors name the object, hold no payload, and do not call it corrupt", errorsName},
	}
}

// read opens a range of an object and reads it to the end.
func (x *trial) read(ctx context.Context, o source.Object, off, n int64) (string, source.Object, error) {
	r, found, err := x.Source.Open(ctx, o, off, n)
	if err != nil {
		return "", found, err
	}
	data, err := io.ReadAll(r)
	return string(data), found, errors.Join(err, r.Close())
}

// want compares without printing contents of megabytes.
func want(what, got, want string) error {
	if got == want {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("%s: got %d bytes, want %d; they differ from byte %d on", what, len(got), len(want), at)
}

func openReadsAll(ctx context.Context, x *trial) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		got, _, err := x.read(ctx, o, 0, -1)
		if err == nil {
			err = want(o.Key, got, x.files[o.Key])
		}
		if err != nil {
			return err
		}
	}

	o, err := x.find(ctx, "a.json")
	if err != nil {
		return err
	}
	r, _, err := x.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	var b strings.Builder
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		b.Write(one[:n])
		one[0] = '!'
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return fmt.Errorf("after io.EOF a read gives %d bytes and error %v", n, err)
	}
	return want("a.json, byte by byte", b.String(), x.files["a.json"])
}

func openTells(ctx context.Context, x *trial) error {
	for key, content := range x.files {
		// As after a restart: only the key is known.
		_, found, err := x.read(ctx, source.Object{Key: key, Size: -1}, 0, -1)
		switch {
		case err != nil:
			return err
		case found.Key != key:
			return fmt.Errorf("%q was opened, %q was found", key, found.Key)
		case found.Encoding == "" && found.Size != -1 && found.Size != int64(len(content)):
			return fmt.Errorf("%q is found with size %d, has %d bytes", key, found.Size, len(content))
		case found.Identity() == "":
			return fmt.Errorf("%q is found with neither version nor size and time", key)
		}
		_, again, err := x.read(ctx, found, 0, -1)
		if err != nil {
			return fmt.Errorf("an object cannot be opened as it was found: %w", err)
		}
		if again.Identity() != found.Identity() {
			return fmt.Errorf("%q has identity %q, then %q", key, found.Identity(), again.Identity())
		}
	}
	return nil
}

func openRange(ctx context.Context, x *trial) error {
	o, err := x.find(ctx, longKey)
	if err != nil {
		return err
	}
	content := x.files[longKey]
	size := int64(len(content))
	for _, c := range []struct{ off, n int64 }{
		{0, 0}, {0, 1}, {0, 5000}, {0, size}, {1, -1}, {70_001, 3}, {1 << 18, 1 << 19}, {size - 1, 1}, {size, 0}, {size, -1},
	} {
		got, _, err := x.read(ctx, o, c.off, c.n)
		if errors.Is(err, source.ErrNoRange) && c.off > 0 {
			continue
		}
		if err != nil {
			return err
		}
		end := size
		if c.n >= 0 {
			end = c.off + c.n
		}
		if err := want(fmt.Sprintf("%d bytes from %d on", c.n, c.off), got, content[c.off:end]); err != nil {
			return err
		}
	}
	for _, c := range []struct{ off, n int64 }{{0, size + 1}, {size + 1, 1}} {
		if got, _, err := x.read(ctx, o, c.off, c.n); err == nil {
			return fmt.Errorf("%d bytes from %d on, of %d: %d bytes and no error", c.n, c.off, size, len(got))
		}
	}
	return nil
}

func gone(ctx context.Context, x *trial) error {
	o, err := x.find(ctx, "a.json")
	if err != nil {
		return err
	}
	if err := x.Remove(o.Key); err != nil {
		return err
	}
	for _, o := range []source.Object{o, {Key: "never/was", Size: -1}} {
		if _, _, err := x.read(ctx, o, 0, -1); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("open %q: error %v", o.Key, err)
		}
	}
	return nil
}

func changed(ctx context.Context, x *trial) error {
	for _, content := range []string{strings.Repeat("y", len(x.files["a.json"])), "{}"} {
		_, o, err := x.read(ctx, source.Object{Key: "a.json", Size: -1}, 0, -1)
		if err != nil {
			return err
		}
		if err := x.Write("a.json", content); err != nil {
			return err
		}
		if got, _, err := x.read(ctx, o, 0, -1); !errors.Is(err, source.ErrChanged) {
			return fmt.Errorf("%d bytes were replaced by %d: read %d bytes, error %v", o.Size, len(content), len(got), err)
		}
	}
	return nil
}

func changedWhileRead(ctx context.Context, x *trial) error {
	for name, other := range map[string]string{
		"replaced by as many bytes": long('A'),
		"replaced by fewer bytes":   long('A')[:1<<19],
		"replaced by more bytes":    long('A') + long('A'),
	} {
		old := long('x')
		if err := x.Write(longKey, old); err != nil {
			return err
		}
		r, _, err := x.Source.Open(ctx, source.Object{Key: longKey, Size: -1}, 0, -1)
		if err != nil {
			return err
		}
		head := make([]byte, 1000)
		if _, err := io.ReadFull(r, head); err != nil {
			return errors.Join(err, r.Close())
		}
		if err := x.Write(longKey, other); err != nil {
			return errors.Join(err, r.Close())
		}
		rest, err := io.ReadAll(r)
		r.Close()
		if err == nil {
			err = want(name+", read without an error", string(head)+string(rest), x.decoded(old))
		} else if errors.Is(err, source.ErrChanged) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func concurrentOpen(ctx context.Context, x *trial) error {
	var wg sync.WaitGroup
	errs := make(chan error, 8*len(x.files))
	for range 8 {
		for key, content := range x.files {
			wg.Go(func() {
				got, _, err := x.read(ctx, source.Object{Key: key, Size: -1}, 0, -1)
				if err == nil {
					err = want(key, got, content)
				}
				errs <- err
			})
		}
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

func contextGoverns(ctx context.Context, x *trial) error {
	o := source.Object{Key: longKey, Size: -1}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := x.read(ended, o, 0, -1); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("with a context that has ended: error %v", err)
	}

	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	r, _, err := x.Source.Open(ending, o, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		return err
	}
	cancel()
	// What was on the way already may still arrive.
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("context ended after 10 of %d bytes: read %d more, then error %v", len(x.files[longKey]), n, err)
	}
	return nil
}

func closeEarly(ctx context.Context, x *trial) error {
	r, _, err := x.Source.Open(ctx, source.Object{Key: longKey, Size: -1}, 0, -1)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		return errors.Join(err, r.Close())
	}
	return r.Close()
}

func errorsName(ctx context.Context, x *trial) error {
	_, o, err := x.read(ctx, source.Object{Key: "a.json", Size: -1}, 0, -1)
	if err != nil {
		return err
	}
	if err := x.Write("a.json", secret); err != nil {
		return err
	}
	for _, o := range []source.Object{o, {Key: "never/was", Size: -1}} {
		_, _, err := x.read(ctx, o, 0, -1)
		switch {
		case err == nil:
			return fmt.Errorf("open %q: no error", o.Key)
		case !strings.Contains(err.Error(), o.Key):
			return fmt.Errorf("the error of %q does not name it: %w", o.Key, err)
		case strings.Contains(err.Error(), secret):
			return fmt.Errorf("the error of %q holds payload: %w", o.Key, err)
		case fault.Is(err, fault.ClassCorrupt):
			return fmt.Errorf("the error of %q is marked corrupt: %w", o.Key, err)
		}
	}
	return nil
}
