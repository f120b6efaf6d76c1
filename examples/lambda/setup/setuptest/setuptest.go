// Package setuptest makes settings for tests of functions.
package setuptest

import (
	"maps"
	"slices"
	"strings"

	"github.com/unspool-go/unspool/examples/lambda/setup"
)

// Environment is one that notes which variables it is asked for.
type Environment struct {
	Values map[string]string
	asked  map[string]bool
}

// Settings are those of the environment, without a file.
func (e *Environment) Settings() *setup.Settings {
	return setup.New(func(name string) (string, bool) {
		if e.asked == nil {
			e.asked = map[string]bool{}
		}
		e.asked[name] = true
		value, ok := e.Values[name]
		return value, ok
	}, strings.NewReader(""))
}

// Asked are the variables asked for so far, sorted.
func (e *Environment) Asked() []string { return slices.Sorted(maps.Keys(e.asked)) }
