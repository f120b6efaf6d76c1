package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/unspool-go/unspool/source"
)

// RunRemover checks every rule of [source.Remover], and those of
// [source.BlockRemover] and [source.Mover] where the source is one, each in a test
// of its own. The rules of [source.Source] are left to [Run].
func RunRemover(t *testing.T, h Harness) {
	t.Helper()
	run(t, h, slices.Concat(removerRules(), blockRules(), moverRules()))
}

// removerRules are those of source.Remover.
func removerRules() []rule {
	return []rule{
		{"StatIsListed", "Stat tells the object that is listed, with its size", removing(statIsListed)},
		{"StatSince", "what was written later has not been there for longer", removing(statSince)},
		{"StatGone", "Stat of what is gone, or never was, wraps fs.ErrNotExist", removing(statGone)},
		{"RemovesWhatIsGiven", "Remove removes what it is given, and nothing else", removing(removesWhatIsGiven)},
		{"RemoveAnswersForEach", "each answer of Remove is that of its own object: nil, ErrChanged or fs.ErrNotExist", removing(removeAnswersForEach)},
		{"RemovedTwice", "what was removed is gone for who removes it again", removing(removedTwice)},
		{"RemoveConcurrently", "Stat and Remove may be called concurrently", removing(removeConcurrently)},
		{"RemoveAfterTheEnd", "when the context has ended, Stat fails and Remove says of nothing that it was removed which is there", removing(removeAfterTheEnd)},
	}
}

func removing(check func(context.Context, *trial, source.Remover) error) func(context.Context, *trial) error {
	return func(ctx context.Context, x *trial) error {
		r, ok := x.Source.(source.Remover)
		if !ok {
			return errors.New("the source is no source.Remover")
		}
		return check(ctx, x, r)
	}
}

// statAll returns the objects under some keys, as Stat tells of them.
func statAll(ctx context.Context, r source.Remover, keys ...string) ([]source.Object, error) {
	objects := make([]source.Object, len(keys))
	for i, key := range keys {
		o, _, err := r.Stat(ctx, key)
		if err != nil {
			return nil, err
		}
		objects[i] = o
	}
	return objects, nil
}

// left fails unless exactly the files of the trial are there but for those gone,
// with their contents.
func (x *trial) left(ctx context.Context, gone ...string) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, o := range all {
		there[o.Key] = true
	}
	for key, content := range x.files {
		if there[key] == slices.Contains(gone, key) {
			return fmt.Errorf("%q is there: %t", key, there[key])
		}
		if !there[key] {
			if _, _, err := x.read(ctx, source.Object{Key: key, Size: -1}, 0, -1); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%q is not listed, and opening it gives %v", key, err)
			}
			continue
		}
		got, _, err := x.read(ctx, source.Object{Key: key, Size: -1}, 0, -1)
		if err == nil {
			err = want(key, got, content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// answers fails unless errs has an answer for each object, and each is as wanted.
func answers(objects []source.Object, errs, wanted []error) error {
	if len(errs) != len(objects) {
		return fmt.Errorf("%d answers for %d objects", len(errs), len(objects))
	}
	for i, err := range errs {
		if wanted[i] == nil && err != nil || !errors.Is(err, wanted[i]) {
			return fmt.Errorf("%q: error %v, want %v", objects[i].Key, err, wanted[i])
		}
	}
	return nil
}

func statIsListed(ctx context.Context, x *trial, r source.Remover) error {
	all, err := x.list(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		found, _, err := r.Stat(ctx, o.Key)
		if err != nil {
			return err
		}
		if found.Key != o.Key || !o.SameAs(found) || found.Size != int64(len(x.files[o.Key])) {
			return fmt.Errorf("found %+v, listed was %+v", found, o)
		}
	}
	return nil
}

func statSince(ctx context.Context, x *trial, r source.Remover) error {
	const key = "a.json"
	before, first, err := r.Stat(ctx, key)
	if err != nil {
		return err
	}
	if err := x.Write(key, "another"); err != nil {
		return err
	}
	after, second, err := r.Stat(ctx, key)
	switch {
	case err != nil:
		return err
	case before.SameAs(after):
		return fmt.Errorf("%+v was replaced, and is told to be the same", after)
	case !first.IsZero() && !second.IsZero() && second.Before(first):
		return fmt.Errorf("%q was replaced, and its content is there since %v, that before since %v", key, second, first)
	}
	return nil
}

func statGone(ctx context.Context, x *trial, r source.Remover) error {
	if err := x.Remove("nested/b.json"); err != nil {
		return err
	}
	for _, key := range []string{"nested/b.json", "never.json", "never/was.json"} {
		if _, _, err := r.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("stat %q: error %v", key, err)
		}
	}
	return nil
}

func removesWhatIsGiven(ctx context.Context, x *trial, r source.Remover) error {
	if errs := r.Remove(ctx, nil); len(errs) > 0 {
		return fmt.Errorf("%d answers for no object", len(errs))
	}
	if err := x.left(ctx); err != nil {
		return err
	}
	taken := []string{"nested/b.json", "with space & +%41", longKey, "empty", "ünï.json"}
	objects, err := statAll(ctx, r, taken...)
	if err != nil {
		return err
	}
	if err := answers(objects, r.Remove(ctx, objects), make([]error, len(objects))); err != nil {
		return err
	}
	return x.left(ctx, taken...)
}

// mixture is some objects of which one was replaced and one taken away since they
// were looked at, and what is to be answered for each.
func (x *trial) mixture(ctx context.Context, r source.Remover) (objects []source.Object, wanted []error, err error) {
	objects, err = statAll(ctx, r, "a.json", "nested/a.json", "nested/b.json", "with space & +%41")
	if err == nil {
		err = x.Write("nested/a.json", "another")
	}
	if err == nil {
		x.files["nested/a.json"] = x.decoded("another")
		err = x.Remove("nested/b.json")
	}
	return objects, []error{nil, source.ErrChanged, fs.ErrNotExist, nil}, err
}

func removeAnswersForEach(ctx context.Context, x *trial, r source.Remover) error {
	objects, wanted, err := x.mixture(ctx, r)
	if err != nil {
		return err
	}
	if err := answers(objects, r.Remove(ctx, objects), wanted); err != nil {
		return err
	}
	return x.left(ctx, "a.json", "nested/b.json", "with space & +%41")
}

func removedTwice(ctx context.Context, x *trial, r source.Remover) error {
	objects, err := statAll(ctx, r, "a.json", longKey)
	if err != nil {
		return err
	}
	for _, wanted := range []error{nil, fs.ErrNotExist} {
		if err := answers(objects, r.Remove(ctx, objects), []error{wanted, wanted}); err != nil {
			return err
		}
	}
	return x.left(ctx, "a.json", longKey)
}

func removeConcurrently(ctx context.Context, x *trial, r source.Remover) error {
	taken := []string{"a.json", "nested/a.json", "nested/b.json", "ünï.json"}
	errs := make([]error, len(taken))
	var wg sync.WaitGroup
	for i, key := range taken {
		wg.Go(func() {
			objects, err := statAll(ctx, r, key, longKey)
			if err == nil {
				err = answers(objects[:1], r.Remove(ctx, objects[:1]), []error{nil})
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return x.left(ctx, taken...)
}

func removeAfterTheEnd(ctx context.Context, x *trial, r source.Remover) error {
	keys := []string{"a.json", "nested/a.json"}
	objects, err := statAll(ctx, r, keys...)
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := r.Stat(ended, keys[0]); err == nil {
		return errors.New("Stat does not mind the end of the context")
	}
	var errs []error
	if err := x.returns(func(time.Duration) { errs = r.Remove(ended, objects) }, "when the context has ended"); err != nil {
		return err
	}
	if len(errs) != len(objects) {
		return fmt.Errorf("%d answers for %d objects", len(errs), len(objects))
	}
	for i, err := range errs {
		if _, _, lookErr := r.Stat(ctx, keys[i]); err == nil && !errors.Is(lookErr, fs.ErrNotExist) {
			return fmt.Errorf("%q is said to have been removed, and is there: %v", keys[i], lookErr)
		}
	}
	return nil
}

// blockRules are those of source.BlockRemover. They hold for a source that is none.
func blockRules() []rule {
	return []rule{
		{"StatBlockIsStat", "StatBlock tells of each key what Stat does", blocks(statBlockIsStat)},
		{"RemoveBlockAnswersForEach", "RemoveBlock removes what is still the same, and answers for each object", blocks(removeBlockAnswersForEach)},
	}
}

func blocks(check func(context.Context, *trial, source.BlockRemover) error) func(context.Context, *trial) error {
	return func(ctx context.Context, x *trial) error {
		if r, ok := x.Source.(source.BlockRemover); ok {
			return check(ctx, x, r)
		}
		return nil
	}
}

func statBlockIsStat(ctx context.Context, _ *trial, r source.BlockRemover) error {
	keys := []string{"nested/b.json", "never.json", "a.json", "never/was.json", "nested/a.json", longKey}
	all := r.StatBlock(ctx, keys)
	if len(all) != len(keys) {
		return fmt.Errorf("%d answers for %d keys", len(all), len(keys))
	}
	for i, key := range keys {
		o, since, err := r.Stat(ctx, key)
		if all[i].Object != o || !all[i].Since.Equal(since) || errors.Is(all[i].Err, fs.ErrNotExist) != errors.Is(err, fs.ErrNotExist) || (all[i].Err == nil) != (err == nil) {
			return fmt.Errorf("%q: StatBlock tells %+v, Stat %+v since %v, error %v", key, all[i], o, since, err)
		}
	}
	return nil
}

func removeBlockAnswersForEach(ctx context.Context, x *trial, r source.BlockRemover) error {
	seen := r.StatBlock(ctx, []string{"a.json", "nested/a.json", "nested/b.json", "with space & +%41"})
	objects, wanted, err := x.mixture(ctx, r)
	if err != nil {
		return err
	}
	if err := answers(objects, r.RemoveBlock(ctx, seen), wanted); err != nil {
		return err
	}
	return x.left(ctx, "a.json", "nested/b.json", "with space & +%41")
}
