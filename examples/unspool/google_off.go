//go:build !gs

package main

import (
	"context"
	"errors"

	"github.com/unspool-go/unspool/source"
)

// errNoGoogle is what gs:// gives in a build without it: its client would be the
// larger part of the program, and of the time that compiling takes.
var errNoGoogle = errors.New("gs:// is not in this build: build the command with -tags gs")

func (o *origin) openGoogle(context.Context, settings) (source.Source, error) {
	return nil, errNoGoogle
}

func openGoogleStore(context.Context) (func() error, error) { return nil, errNoGoogle }
