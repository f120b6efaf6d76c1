//go:build !linux

package dir_test

import (
	"testing"

	"github.com/unspool-go/unspool/source/dir"
)

// notices reports whether the system tells s what appears.
func notices(testing.TB, *dir.Source) bool { return false }
