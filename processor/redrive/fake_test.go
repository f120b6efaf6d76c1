package redrive_test

import (
	"context"
	"iter"

	"github.com/unspool-go/unspool/processor/redrive"
)

// fakeBox is a box of given bundles.
type fakeBox []*fakeBundle

func (b fakeBox) Bundles(context.Context) iter.Seq2[redrive.Bundle, error] {
	return func(yield func(redrive.Bundle, error) bool) {
		for _, bundle := range b {
			if !yield(bundle, nil) {
				return
			}
		}
	}
}

func (fakeBox) End(context.Context) error { return nil }

type fakeBundle struct {
	letters       []redrive.Letter
	torn          error // at the end of them
	keepErr       error
	settled, left bool
}

func (*fakeBundle) Name() string { return "bundle" }

func (b *fakeBundle) Letters(context.Context) iter.Seq2[redrive.Letter, error] {
	return func(yield func(redrive.Letter, error) bool) {
		for _, l := range b.letters {
			if !yield(l, nil) {
				return
			}
		}
		if b.torn != nil {
			yield(redrive.Letter{}, b.torn)
		}
	}
}

func (b *fakeBundle) Keep(redrive.Letter) error    { return b.keepErr }
func (b *fakeBundle) Settle(context.Context) error { b.settled = true; return nil }
func (b *fakeBundle) Leave() error                 { b.left = true; return nil }
