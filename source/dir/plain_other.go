//go:build !linux

package dir

import (
	"time"

	"github.com/unspool-go/unspool/source"
)

// statPlain leaves it to os.Root to look at files.
func (f *files) statPlain(string) (o source.Object, since time.Time, ok bool, err error) {
	return source.Object{}, time.Time{}, false, nil
}

// removePlain leaves it to os.Root to remove files.
func (f *files) removePlain(source.Object) (ok bool, err error) { return false, nil }
