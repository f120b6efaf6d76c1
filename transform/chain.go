package transform

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Preambler is implemented by a [Transform] that begins with taking off what
// stands before the JSON: [StripPreamble], and a [Chain] whose first stage is
// one. The same can then be done once, at the start of the object.
type Preambler interface {
	// Preamble returns what finds the end of an object's preamble, or nil.
	Preamble() source.Preamble
}

// Chain returns a transform that applies ts in turn: each output value of a
// stage is a record, of the same object and offset, for the next. A stage that
// drops a record ends its way. Stages that are nil are left out; without
// stages records pass unchanged.
//
// An error in any stage rolls the whole record back. The remainder of
// fault.PartialRetry is in the terms of the record that was given to the stage:
// from the first stage it is passed on, from a later one the whole record is
// tried again.
//
// The chain has the optional abilities of its stages: it is a [Preambler] where
// its first stage is one, emits JSON where all its stages do, and is a
// [Prefixer] where its first stage (but for StripPreamble) is one.
func Chain(ts ...Transform) Transform {
	var c chain
	for _, t := range ts {
		switch t := t.(type) {
		case nil:
		case *chain:
			c.stages = append(c.stages, t.stages...)
		case *prefixChain:
			c.stages = append(c.stages, t.stages...)
		default:
			c.stages = append(c.stages, t)
		}
	}
	for i, t := range c.stages {
		if _, ok := t.(Prefixer); ok {
			return &prefixChain{chain: c, first: i}
		}
		if _, ok := t.(StripPreamble); !ok {
			break
		}
	}
	return &c
}

// chain is a [Chain] without a fast path.
type chain struct{ stages []Transform }

// scratch is what a chain needs between its stages: the outputs of one stage
// and of the next.
type scratch [2]Output

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch is the size of a buffer, in bytes, that is not worth keeping.
const maxScratch = 1 << 20

func (s *scratch) free() {
	for i := range s {
		if cap(s[i].buf) > maxScratch {
			s[i] = Output{}
		}
		s[i].Reset()
	}
	scratches.Put(s)
}

func (c *chain) Apply(ctx context.Context, rec source.Record, out *Output) error {
	switch len(c.stages) {
	case 0:
		out.Emit(rec.Data)
		return nil
	case 1:
		return c.stages[0].Apply(ctx, rec, out)
	}
	s := scratches.Get().(*scratch)
	err := c.stages[0].Apply(ctx, rec, &s[0])
	err = c.rest(ctx, 0, err, rec, s, out)
	s.free()
	return err
}

// rest applies the stages behind the given one, which turned rec into the
// values in s[0] and returned err.
func (c *chain) rest(ctx context.Context, done int, err error, rec source.Record, s *scratch, out *Output) error {
	if err != nil {
		err = stageError(done, err)
		if _, partial := errors.AsType[*fault.Partial](err); !partial {
			return err
		}
	}
	mark := out.Mark()
	for i := done + 1; i < len(c.stages); i++ {
		from, to := &s[(i-done-1)%2], &s[(i-done)%2]
		if i == len(c.stages)-1 {
			to = out
		} else {
			to.Reset()
		}
		rec.Valid = givesJSON(c.stages[i-1], rec.Valid)
		for v := range from.Len() {
			rec.Data = from.Value(v)
			if err := c.apply(ctx, i, rec, to); err != nil {
				out.Rollback(mark)
				return stageError(i, err)
			}
		}
	}
	return err
}

// apply applies a stage other than the first.
func (c *chain) apply(ctx context.Context, stage int, rec source.Record, out *Output) error {
	if len(rec.Data) == 0 {
		return fault.Corruptf("the stage before gave an empty value")
	}
	err := c.stages[stage].Apply(ctx, rec, out)
	p, ok := errors.AsType[*fault.Partial](err)
	switch {
	case !ok:
		return err
	case p.Err != nil:
		return fmt.Errorf("partly processed: %w", p.Err)
	default:
		return errors.New("partly processed")
	}
}

func stageError(stage int, err error) error {
	return fmt.Errorf("stage %d: %w", stage+1, err)
}

// givesJSON reports whether what t makes of a record is known to be valid JSON
// in UTF-8, given whether the record is.
func givesJSON(t Transform, valid bool) bool {
	if _, ok := t.(validator); ok {
		return true
	}
	e, ok := t.(EmitsJSON)
	return ok && valid && e.EmitsJSON()
}

// validator is implemented by the transforms of this package that check their
// records: what they let pass is valid, whatever came in.
type validator interface{ validates() }

// Preamble returns what the first stage takes off the start of an object, or
// nil.
func (c *chain) Preamble() source.Preamble {
	if len(c.stages) > 0 {
		if p, ok := c.stages[0].(Preambler); ok {
			return p.Preamble()
		}
	}
	return nil
}

// EmitsJSON reports whether all stages do.
func (c *chain) EmitsJSON() bool {
	for _, t := range c.stages {
		if e, ok := t.(EmitsJSON); !ok || !e.EmitsJSON() {
			return false
		}
	}
	return true
}

// prefixChain is a [Chain] whose stage at index first is a [Prefixer], with
// nothing before it that would change a JSON value.
type prefixChain struct {
	chain
	first int
}

// ApplyPrefix implements [Prefixer].
func (c *prefixChain) ApplyPrefix(ctx context.Context, rec source.Record, data []byte, maxDepth int, out *Output) (n int, ok bool, err error) {
	if c.first > 0 && (len(data) == 0 || !opensValue(data[0])) {
		return 0, false, nil // whether a preamble ends here depends on the rest of the line
	}
	p := c.stages[c.first].(Prefixer)
	if len(c.stages) == c.first+1 {
		n, ok, err = p.ApplyPrefix(ctx, rec, data, maxDepth, out)
		return n, ok, err
	}
	s := scratches.Get().(*scratch)
	n, ok, err = p.ApplyPrefix(ctx, rec, data, maxDepth, &s[0])
	if ok {
		rec.Data = data[:n:n]
		err = c.rest(ctx, c.first, err, rec, s, out)
	}
	s.free()
	return n, ok, err
}
