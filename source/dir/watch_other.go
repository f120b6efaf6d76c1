//go:build !linux

package dir

import "github.com/unspool-go/unspool/source"

// observe would learn from the system what appears.
func (*Source) observe(*view) source.Changes { return nil }
