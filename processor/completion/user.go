package completion

import (
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/fault"
)

// ask calls code of the user's own. A panic is an error of it. Whatever its error is, it
// is to be asked again: only a store can make going on pointless.
func ask(f func() error) error {
	err := usercode.Call(f)
	if fault.Is(err, fault.ClassFatal) {
		return fault.Retryable(err)
	}
	return err
}
