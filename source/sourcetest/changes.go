package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/source"
)

func changesRules() []rule {
	return []rule{
		{"ChangesListEverythingFirst", "the first listing of Changes lists everything, and nothing else", changesListEverything},
		{"ChangesListAllWhenAsked", "a listing with all set lists everything that is there then, whatever was listed before", changesListAll},
		{"ChangesTellWhatAppears", "what appears is listed, whether before, during or after another listing", changesTell},
		{"ChangesBrokenOffLoseNothing", "after a listing that was broken off the next one yields again what it would have yielded", changesBrokenOff},
		{"ChangesFailedLoseNothing", "a listing ends with the error of its context, and the next one yields again what it would have yielded", changesFailed},
		{"ChangesAreIndependent", "each Watch has Changes of its own: what one has listed is told by the other", changesApart},
		{"WaitEnds", "Wait returns after the time given and when its context ends", waitEnds},
		{"WaitNotices", "Wait returns when something appears, and at once when that was before (where the Fixture says so)", waitNotices},
		{"ChangesCloseReleases", "Close ends the observation and leaves no goroutine behind, after a listing that was broken off as well", changesClose},
	}
}

// poll is how long rules wait for what may not be noticed.
const poll = 5 * time.Millisecond

// changes are the Changes of a trial, and what they listed.
type changes struct {
	source.Changes
	x *trial
}

// watching runs a check on new Changes and closes them, if the source has any.
func watching(ctx context.Context, x *trial, check func(c changes) error) error {
	w, ok := x.Source.(source.Watcher)
	if !ok {
		return nil
	}
	c, err := w.Watch(ctx)
	if err != nil {
		return err
	}
	err = check(changes{c, x})
	if closeErr := c.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close: %w", closeErr)
	}
	return err
}

// list collects one listing, and lets during happen after its first object.
func (c changes) list(ctx context.Context, all bool, during func() error) ([]source.Object, error) {
	var objects []source.Object
	var failed error
	for o, err := range c.Objects(ctx, all) {
		switch {
		case failed != nil:
			return nil, fmt.Errorf("yielded %q after the error %w", o.Key, failed)
		case err != nil && o != (source.Object{}):
			return nil, fmt.Errorf("yielded the object %q together with the error %w", o.Key, err)
		case err != nil:
			failed = err
			continue
		}
		objects = append(objects, o)
		if during != nil {
			if err := during(); err != nil {
				return nil, err
			}
			during = nil
		}
	}
	return objects, failed
}

// until lists until all the keys were yielded, in one listing or in several.
func (c changes) until(ctx context.Context, keys ...string) error {
	for end := time.Now().Add(c.x.limit); ; c.Wait(ctx, poll) {
		objects, err := c.list(ctx, false, nil)
		if err != nil {
			return err
		}
		if keys = without(keys, objects); len(keys) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%q not listed within %v", keys, c.x.limit)
		}
	}
}

// breakOff lists until an object that is the one looked for, and breaks off
// there. It returns what was listed before, by listings that came to their end.
func (c changes) breakOff(ctx context.Context, is func(o source.Object) bool) ([]source.Object, error) {
	var done []source.Object
	for end := time.Now().Add(c.x.limit); time.Now().Before(end); c.Wait(ctx, poll) {
		var objects []source.Object
		for o, err := range c.Objects(ctx, false) {
			if err != nil {
				return nil, err
			}
			if is(o) {
				return done, nil
			}
			objects = append(objects, o)
		}
		done = append(done, objects...)
	}
	return nil, fmt.Errorf("not listed within %v", c.x.limit)
}

func changesListEverything(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(c changes) error {
		objects, err := c.list(ctx, false, nil)
		if err != nil {
			return err
		}
		return x.compare(objects)
	})
}

func changesListAll(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(c changes) error {
		for range 3 {
			if _, err := c.list(ctx, false, nil); err != nil {
				return err
			}
			objects, err := c.list(ctx, true, nil)
			if err == nil {
				err = x.compare(objects)
			}
			if err != nil {
				return err
			}
		}
		delete(x.files, "a.json")
		if err := x.Remove("a.json"); err != nil {
			return err
		}
		objects, err := c.list(ctx, true, nil)
		if err != nil {
			return err
		}
		return x.compare(objects)
	})
}

func changesTell(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(c changes) error {
		if err := x.Write("before.json", "{}"); err != nil {
			return err
		}
		// In places that were listed already, and in some that were not, wherever
		// those are.
		during := []string{"during.json", "nested/during.json", "nested/deeper/during.json", "other/during.json"}
		objects, err := c.list(ctx, false, func() error { return x.writeAll(during) })
		if err != nil {
			return err
		}
		if err := c.until(ctx, without(append(during, "before.json"), objects)...); err != nil {
			return err
		}
		for _, key := range []string{"after.json", "nested/after.json", "nested/deeper/after.json", "new/folders/after.json", "new/after.json"} {
			if err := x.Write(key, "{}"); err != nil {
				return err
			}
			if err := c.until(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeAll writes an object under each of keys.
func (x *trial) writeAll(keys []string) error {
	for _, key := range keys {
		if err := x.Write(key, "{}"); err != nil {
			return err
		}
	}
	return nil
}

// without returns those of keys that no object has.
func without(keys []string, objects []source.Object) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		return slices.ContainsFunc(objects, func(o source.Object) bool { return o.Key == key })
	})
}

func changesBrokenOff(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(c changes) error {
		for n := range len(x.files) {
			seen := 0
			if _, err := c.breakOff(ctx, func(source.Object) bool { seen++; return seen > n }); err != nil {
				return err
			}
		}
		if err := c.until(ctx, slices.Collect(maps.Keys(x.files))...); err != nil {
			return err
		}
		// And what appeared later, each time at another object.
		keys := []string{"new.json", "nested/new.json", "folder/new.json"}
		if err := x.writeAll(keys); err != nil {
			return err
		}
		left := keys
		for _, key := range keys {
			if !slices.Contains(left, key) {
				continue
			}
			done, err := c.breakOff(ctx, func(o source.Object) bool { return o.Key == key })
			if err != nil {
				return fmt.Errorf("%q %w", key, err)
			}
			left = without(left, done)
		}
		return c.until(ctx, left...)
	})
}

func changesFailed(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(c changes) error {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := c.list(ended, false, nil); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("with a context that has ended: error %v", err)
		}
		left := slices.Collect(maps.Keys(x.files))
		for _, next := range [][]string{{"new.json", "nested/new.json", "folder/new.json"}, nil} {
			for range 3 {
				ending, cancel := context.WithCancel(ctx)
				objects, err := c.list(ending, false, func() error { cancel(); return nil })
				cancel()
				switch {
				case err == nil: // it was past the end of the context when that came
					left = without(left, objects)
				case !errors.Is(err, context.Canceled):
					return fmt.Errorf("when the context ends: %w", err)
				}
			}
			if err := c.until(ctx, left...); err != nil {
				return err
			}
			if err := x.writeAll(next); err != nil {
				return err
			}
			left = next
		}
		return nil
	})
}

func changesApart(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(one changes) error {
		return watching(ctx, x, func(other changes) error {
			if _, err := one.list(ctx, false, nil); err != nil {
				return err
			}
			objects, err := other.list(ctx, false, nil)
			if err == nil {
				err = x.compare(objects)
			}
			if err != nil {
				return err
			}
			if err := x.Write("new.json", "{}"); err != nil {
				return err
			}
			return errors.Join(one.until(ctx, "new.json"), other.until(ctx, "new.json"))
		})
	})
}

func waitEnds(ctx context.Context, x *trial) error {
	return watching(ctx, x, func(c changes) error {
		if _, err := c.list(ctx, false, nil); err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, x.limit)
		defer cancel()
		c.Wait(bounded, poll)
		if bounded.Err() != nil {
			return fmt.Errorf("told to wait for %v it did not return within %v", poll, x.limit)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		return x.returns(func(most time.Duration) { c.Wait(ended, most) }, "when its context had ended")
	})
}

// returns reports an error if wait, told to wait for longer than the limit,
// does that.
func (x *trial) returns(wait func(most time.Duration), when string) error {
	begun := time.Now()
	wait(2 * x.limit)
	if time.Since(begun) >= 2*x.limit {
		return fmt.Errorf("it did not return %s", when)
	}
	return nil
}

func waitNotices(ctx context.Context, x *trial) error {
	if !x.Notices {
		return nil
	}
	return watching(ctx, x, func(c changes) error {
		wait := func(most time.Duration) { c.Wait(ctx, most) }
		if err := x.returns(wait, "before everything was listed"); err != nil {
			return err
		}
		if _, err := c.list(ctx, false, nil); err != nil {
			return err
		}
		for _, key := range []string{"new.json", "nested/new.json", "folder/new.json"} {
			written := make(chan error, 1)
			go func() { written <- x.Write(key, "{}") }()
			err := x.returns(wait, "when something appeared")
			if err := errors.Join(err, <-written); err != nil {
				return err
			}
			if err := x.returns(wait, "when something had appeared"); err != nil {
				return err
			}
			if err := c.until(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

func changesClose(ctx context.Context, x *trial) error {
	already := goleak.IgnoreCurrent()
	for n := range 3 {
		if err := watching(ctx, x, func(c changes) error {
			if n == 0 {
				return nil
			}
			_, err := c.breakOff(ctx, func(source.Object) bool { n--; return n == 0 })
			return err
		}); err != nil {
			return err
		}
	}
	return goleak.Find(already)
}
