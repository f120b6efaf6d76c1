//go:build !linux

package dir

import (
	"context"
	"errors"

	"github.com/unspool-go/unspool/source"
)

// Move implements [source.Mover]: here nothing can be moved without the danger of
// replacing what is there.
func (s *Source) Move(_ context.Context, objects []source.Object, _ string) []error {
	errs := make([]error, len(objects))
	for i := range errs {
		errs[i] = errors.ErrUnsupported
	}
	return named("move", objects, errs)
}
