//go:build !linux

package dir

import "github.com/unspool-go/unspool/source"

// plainFolder is nothing: it is left to os.Root to look at files and to remove them.
type plainFolder struct{}

func (*plainFolder) close() {}

func (f *files) statPlain(*plainFolder, string) (seen source.Seen, ok bool) { return seen, false }

func (f *files) removePlain(*plainFolder, source.Seen) (ok bool, err error) { return false, nil }
