package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/viant/afs"
	"github.com/viant/afs/storage"
)

// Outlet is an afs manager of places that take parts and never show them again, such
// as queues. Its writers are [Writer]s, whose Commit hands over what was written; the
// name of a part below its base tells no place of its own.
type Outlet interface {
	storage.Manager
	storage.WriterProvider
	// CheckBase says what is wrong with the URL of a destination, without touching
	// what it names.
	CheckBase(url string) error
}

// errOutlet says that what went there cannot be had back.
var errOutlet = errors.New("it takes records and shows none")

// CheckReadable says why what goes to a destination, whose URL [Check] passes, could
// not be listed and read again, if that is so.
func CheckReadable(url string) error {
	if _, ok := outletOf(url); ok {
		return fmt.Errorf("destination %q: %w", url, errOutlet)
	}
	return nil
}

// outletOf returns the manager of a URL if it is an [Outlet].
func outletOf(url string) (Outlet, bool) {
	scheme, _, ok := strings.Cut(url, "://")
	if !ok || scheme == "file" || scheme == "mem" { // mem:// makes its manager under a lock
		return nil, false
	}
	provider, err := afs.GetRegistry().Get(scheme)
	if err != nil {
		return nil, false
	}
	manager, err := provider()
	if err != nil {
		return nil, false
	}
	o, ok := manager.(Outlet)
	return o, ok
}

// outlet is a destination whose afs manager is an [Outlet].
type outlet struct{ written }

var _ backend = outlet{}

func (outlet) list(_ context.Context, yield func(Info, error) bool) { yield(Info{}, errOutlet) }

func (outlet) open(context.Context, string) (io.ReadCloser, error) { return nil, errOutlet }

func (outlet) remove(context.Context, string) error { return errOutlet }

func (outlet) sweep(context.Context, time.Time) (int, error) { return 0, nil }
