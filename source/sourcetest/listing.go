package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/source"
)

func listingRules() []rule {
	return []rule{
		{"ListsEverythingOnce", "Objects yields every object once, and nothing else", listsEverything},
		{"KeyShape", "a key is a relative path with forward slashes, without empty, \".\" or \"..\" elements", keyShape},
		{"ListingIsTrue", "Size and ModTime are right or said to be unknown (-1, zero)", listingIsTrue},
		{"ListsAnew", "each call of Objects lists what is there at that time", listsAnew},
		{"TellsWhetherThereIsMore", "the question of a Relister is answered with yes before all is listed and after something was added", tellsMore},
		{"BreakReleases", "a break ends the listing and leaves no goroutine behind", breakReleases},
		{"EndOfContextIsLast", "when ctx ends, the listing ends with its error, yielded last with the zero Object", endOfContext},
	}
}

// list collects a whole listing, and checks what holds for all: an error comes
// last, with the zero Object.
func (x *trial) list(ctx context.Context) ([]source.Object, error) {
	var all []source.Object
	var failed error
	for o, err := range x.Source.Objects(ctx) {
		switch {
		case failed != nil:
			return nil, fmt.Errorf("yielded %q after the error %w", o.Key, failed)
		case err != nil && o != (source.Object{}):
			return nil, fmt.Errorf("yielded the object %q together with the error %w", o.Key, err)
		case err != nil:
			failed = err
		default:
			all = append(all, o)
		}
	}
	return all, failed
}

// find lists and returns the object under key.
func (x *trial) find(ctx context.Context, key string) (source.Object, error) {
	all, err := x.list(ctx)
	if err != nil {
		return source.Object{}, err
	}
	i := slices.IndexFunc(all, func(o source.Object) bool { return o.Key == key })
	if i < 0 {
		return source.Object{}, fmt.Errorf("%q is not listed", key)
	}
	return all[i], nil
}

func keysOf(all []source.Object) []string {
	keys := make([]string, len(all))
	for i, o := range all {
		keys[i] = o.Key
	}
	slices.Sort(keys)
	return keys
}

func (x *trial) compare(all []source.Object) error {
	got, want := keysOf(all), slices.Sorted(maps.Keys(x.files))
	if !slices.Equal(got, want) {
		return fmt.Errorf("listed %q, want %q", got, want)
	}
	return nil
}

func listsEverything(ctx context.Context, x *trial) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	return x.compare(all)
}

func keyShape(ctx context.Context, x *trial) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		for element := range strings.SplitSeq(o.Key, "/") {
			if element == "" || element == "." || element == ".." {
				return fmt.Errorf("key %q", o.Key)
			}
		}
	}
	return nil
}

func listingIsTrue(ctx context.Context, x *trial) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		r, found, err := x.Source.Open(ctx, o, 0, -1)
		if err != nil {
			return fmt.Errorf("an object cannot be opened as it was listed: %w", err)
		}
		if err := r.Close(); err != nil {
			return err
		}
		if found.Encoding == "" && o.Size != -1 && o.Size != int64(len(x.files[o.Key])) {
			return fmt.Errorf("%q is listed with size %d, has %d bytes", o.Key, o.Size, len(x.files[o.Key]))
		}
		if !o.SameAs(found) {
			return fmt.Errorf("listed as %+v, found as %+v", o, found)
		}
	}
	return nil
}

func tellsMore(ctx context.Context, x *trial) error {
	relister, ok := x.Source.(source.Relister)
	if !ok {
		return nil
	}
	objects, more := relister.List(ctx)
	if !more() {
		return errors.New("the answer was no before the listing began")
	}
	for _, err := range objects {
		if err != nil {
			return err
		}
		if !more() {
			return errors.New("the answer was no before the listing ended")
		}
	}
	if err := x.Write("nested/new.json", "{}"); err != nil {
		return err
	}
	if !more() {
		return errors.New("the answer was no after an object was added")
	}
	return nil
}

func listsAnew(ctx context.Context, x *trial) error {
	for range 2 {
		all, err := x.list(ctx)
		if err == nil {
			err = x.compare(all)
		}
		if err != nil {
			return err
		}
	}
	x.files["new.json"] = "{}"
	delete(x.files, "a.json")
	if err := errors.Join(x.Write("new.json", "{}"), x.Remove("a.json")); err != nil {
		return err
	}
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	return x.compare(all)
}

func breakReleases(ctx context.Context, x *trial) error {
	already := goleak.IgnoreCurrent()
	for n := range len(x.files) {
		seen := 0
		for _, err := range x.Source.Objects(ctx) {
			if err != nil {
				return err
			}
			if seen++; seen > n {
				break
			}
		}
	}
	return goleak.Find(already)
}

func endOfContext(ctx context.Context, x *trial) error {
	already := goleak.IgnoreCurrent()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := x.list(ended); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("with a context that has ended: error %v", err)
	}

	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	after := 0
	var last error
	for _, err := range x.Source.Objects(ending) {
		if last = err; err == nil {
			after++
		}
		cancel()
	}
	// A source may hand out what it already has, but has to come to an end.
	if !errors.Is(last, context.Canceled) {
		return fmt.Errorf("%d objects after the context ended, then error %v", after, last)
	}
	return goleak.Find(already)
}
