package quorum

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/unspool-go/unspool/source"
)

// taker removes what was put together.
type taker struct {
	*merged
	remover source.Remover
}

// mover moves it as well.
type mover struct {
	taker
	mover source.Mover
}

// Stat implements [source.Remover].
func (t taker) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	g, v, found, err := t.look(ctx, source.Object{Key: key, Size: -1})
	if err != nil {
		return source.Object{}, time.Time{}, fmt.Errorf("quorum: look at %q: %w", key, err)
	}
	since, err := t.since(ctx, g, v)
	if err != nil {
		return source.Object{}, time.Time{}, fmt.Errorf("quorum: look at %q: %w", key, err)
	}
	return found, since, nil
}

// since returns since when all of a group has been there.
func (t taker) since(ctx context.Context, g group, v survey) (since time.Time, err error) {
	if since, err = t.newest(ctx, v.markers, time.Unix(0, 0)); err != nil {
		return since, err
	}
	err = t.windows(ctx, g, v, func(members []source.Object) error {
		since, err = t.newest(ctx, members, since)
		return err
	})
	return since, err
}

func (t taker) newest(ctx context.Context, objects []source.Object, since time.Time) (time.Time, error) {
	for _, o := range objects {
		_, at, err := t.remover.Stat(ctx, o.Key)
		if err != nil {
			return since, gone(err)
		}
		since = latest(since, at)
	}
	return since, nil
}

// windows calls visit with all of a group, a Window at a time.
func (t taker) windows(ctx context.Context, g group, v survey, visit func([]source.Object) error) error {
	version := v.sum.version()
	for {
		if len(v.members) > 0 {
			if err := visit(v.members); err != nil {
				return err
			}
		}
		if !v.left {
			return nil
		}
		var err error
		if v, err = t.survey(ctx, g, v.members[len(v.members)-1].Key); err != nil {
			return err
		}
		if v.sum.version() != version {
			return source.ErrChanged
		}
	}
}

// Remove implements [source.Remover].
func (t taker) Remove(ctx context.Context, objects []source.Object) []error {
	return t.take(ctx, objects, t.remover.Remove)
}

// Move implements [source.Mover].
func (m mover) Move(ctx context.Context, objects []source.Object, to string) []error {
	return m.take(ctx, objects, func(ctx context.Context, objects []source.Object) []error {
		return m.mover.Move(ctx, objects, to)
	})
}

func (t taker) take(ctx context.Context, objects []source.Object, away func(context.Context, []source.Object) []error) []error {
	errs := make([]error, len(objects))
	for i, o := range objects {
		if err := t.takeOne(ctx, o, away); err != nil {
			errs[i] = fmt.Errorf("quorum: take away %q: %w", o.Key, err)
		}
	}
	return errs
}

// takeOne takes the markers of one group away, and then all that they stood for.
func (t taker) takeOne(ctx context.Context, o source.Object, away func(context.Context, []source.Object) []error) error {
	g, v, _, err := t.look(ctx, o)
	if err != nil {
		return err
	}
	// Where there is more than a Window the rest cannot be listed without the marker:
	// so it is collected before.
	all := v.members
	if v.left {
		all = nil
		err = t.windows(ctx, g, v, func(members []source.Object) error { all = append(all, members...); return nil })
		if err != nil {
			return err
		}
	}
	if err := errors.Join(away(ctx, v.markers)...); err != nil {
		return err
	}
	for _, err := range away(ctx, all) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the marker is gone, and of what it stood for not all: %w", err)
		}
	}
	return nil
}
