package gs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// ofBucket gives the error of a listing its meaning: what was refused once is
// refused always.
func ofBucket(ctx context.Context, err error) error {
	if gcpclient.Judge(ctx, err) == gcpclient.Away {
		return interrupted(ctx, err)
	}
	return fault.Fatal(err)
}

// ofObject gives the error of a request for one object its meaning.
func ofObject(ctx context.Context, err error) error {
	if errors.Is(err, source.ErrChanged) {
		return err
	}
	switch gcpclient.Judge(ctx, err) {
	case gcpclient.Away:
		return interrupted(ctx, err)
	case gcpclient.Hopeless:
		return fault.Fatal(err)
	case gcpclient.Missing:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case gcpclient.Unmet:
		return fmt.Errorf("%w: %w", source.ErrChanged, err)
	case gcpclient.Refused, gcpclient.OutOfRange:
	}
	return err
}

// interrupted adds the end of the context, if that is why.
func interrupted(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		err = fmt.Errorf("%w: %w", end, err)
	}
	return fault.Interrupted(err)
}
