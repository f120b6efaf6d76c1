package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/unspool-go/unspool/source"
)

// Attic is a folder that objects of a [source.Mover] can be moved to.
type Attic struct {
	// URL is what Move is given.
	URL string
	// Write puts a content under a key there.
	Write func(key, content string) error
	// Read returns what is stored under a key there, or an error that wraps
	// [fs.ErrNotExist].
	Read func(key string) (string, error)
}

// moverRules are those of source.Mover. They hold for a source that is none, and
// where the fixture has no attic.
func moverRules() []rule {
	return []rule{
		{"MovesWhatIsGiven", "what is moved is gone from the source and whole in its new place, and all else stays", moving(movesWhatIsGiven)},
		{"MoveAnswersForEach", "each answer of Move is that of its own object, and only what is still the same is moved", moving(moveAnswersForEach)},
		{"MoveReplacesNothing", "what is in the way stays as it is, the object stays where it is, and the error wraps fs.ErrExist", moving(moveReplacesNothing)},
		{"MovedTwice", "what was moved is gone for who moves it again, and stays in its new place", moving(movedTwice)},
		{"MoveAfterTheEnd", "when the context has ended, Move loses nothing, and says of nothing that it was moved which was not", moving(moveAfterTheEnd)},
	}
}

func moving(check func(context.Context, *trial, source.Mover, Attic) error) func(context.Context, *trial) error {
	return func(ctx context.Context, x *trial) error {
		m, ok := x.Source.(source.Mover)
		if !ok || x.Attic == nil {
			return nil
		}
		attic, err := x.Attic()
		if err != nil {
			return err
		}
		return check(ctx, x, m, attic)
	}
}

// holds fails unless the attic has that content under key.
func (a Attic) holds(key, content string) error {
	got, err := a.Read(key)
	if err != nil {
		return fmt.Errorf("in the attic: %w", err)
	}
	return want("in the attic, "+key, got, content)
}

// lacks fails if the attic has something under key.
func (a Attic) lacks(key string) error {
	if _, err := a.Read(key); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q was not moved, and reading it in the attic gives %v", key, err)
	}
	return nil
}

func movesWhatIsGiven(ctx context.Context, x *trial, m source.Mover, attic Attic) error {
	if errs := m.Move(ctx, nil, attic.URL); len(errs) > 0 {
		return fmt.Errorf("%d answers for no object", len(errs))
	}
	moved := []string{"a.json", "with space & +%41", longKey, "empty", "ünï.json"}
	objects, err := statAll(ctx, m, moved...)
	if err != nil {
		return err
	}
	if err := answers(objects, m.Move(ctx, objects, attic.URL), make([]error, len(objects))); err != nil {
		return err
	}
	for _, key := range moved {
		if err := attic.holds(key, x.written[key]); err != nil {
			return err
		}
	}
	return x.left(ctx, moved...)
}

func moveAnswersForEach(ctx context.Context, x *trial, m source.Mover, attic Attic) error {
	objects, wanted, err := x.mixture(ctx, m)
	if err != nil {
		return err
	}
	if err := answers(objects, m.Move(ctx, objects, attic.URL), wanted); err != nil {
		return err
	}
	for i, o := range objects {
		if wanted[i] == nil {
			err = attic.holds(o.Key, x.written[o.Key])
		} else {
			err = attic.lacks(o.Key)
		}
		if err != nil {
			return err
		}
	}
	return x.left(ctx, "a.json", "nested/b.json", "with space & +%41")
}

func moveReplacesNothing(ctx context.Context, x *trial, m source.Mover, attic Attic) error {
	const older = "what was there before"
	objects, err := statAll(ctx, m, "nested/b.json", "nested/a.json", "a.json")
	if err != nil {
		return err
	}
	if err := attic.Write("nested/a.json", older); err != nil {
		return err
	}
	if err := answers(objects, m.Move(ctx, objects, attic.URL), []error{nil, fs.ErrExist, nil}); err != nil {
		return err
	}
	if err := attic.holds("nested/a.json", older); err != nil {
		return err
	}
	return x.left(ctx, "nested/b.json", "a.json")
}

func movedTwice(ctx context.Context, x *trial, m source.Mover, attic Attic) error {
	objects, err := statAll(ctx, m, "nested/b.json", longKey)
	if err != nil {
		return err
	}
	for _, wanted := range []error{nil, fs.ErrNotExist} {
		if err := answers(objects, m.Move(ctx, objects, attic.URL), []error{wanted, wanted}); err != nil {
			return err
		}
		for _, o := range objects {
			if err := attic.holds(o.Key, x.written[o.Key]); err != nil {
				return err
			}
		}
	}
	return x.left(ctx, "nested/b.json", longKey)
}

func moveAfterTheEnd(ctx context.Context, x *trial, m source.Mover, attic Attic) error {
	objects, err := statAll(ctx, m, "a.json", "nested/a.json")
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var errs []error
	if err := x.returns(func(time.Duration) { errs = m.Move(ended, objects, attic.URL) }, "when the context has ended"); err != nil {
		return err
	}
	if len(errs) != len(objects) {
		return fmt.Errorf("%d answers for %d objects", len(errs), len(objects))
	}
	for i, o := range objects {
		_, _, lookErr := m.Stat(ctx, o.Key)
		inAttic := attic.holds(o.Key, x.written[o.Key])
		switch {
		case errs[i] == nil && (inAttic != nil || !errors.Is(lookErr, fs.ErrNotExist)):
			return fmt.Errorf("%q is said to have been moved: in the attic %v, in the source %v", o.Key, inAttic, lookErr)
		case lookErr != nil && inAttic != nil:
			return fmt.Errorf("%q is in neither place: %w", o.Key, errors.Join(lookErr, inAttic))
		}
	}
	return nil
}
