package main

import (
	"context"
	"slices"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// input is the first half of a job: what is read and what is made of it.
type input struct {
	*origin   // empty where there is none
	Split     source.Split
	Transform transform.Transform
}

// buildInput opens the source, which the caller closes, with mistakes too. They
// are the user's, and all there are.
func buildInput(ctx context.Context, set settings) (*input, []error) {
	var errs []error
	in := &input{
		origin:    new(origin),
		Split:     source.Split{Format: source.Format(set.Format), Records: set.Records},
		Transform: transform.Chain(),
	}
	if set.Preamble == "auto" {
		in.Split.Preamble = transform.StripPreamble{}
	}
	if _, err := source.NewSplitter(in.Split); err != nil {
		errs = append(errs, &optionError{"records", err})
	}
	if set.Select != "" {
		project, err := projection(set)
		if err != nil {
			errs = append(errs, &optionError{"select", err})
		} else {
			in.Transform = project
		}
	}
	from, err := openOrigin(ctx, set, false)
	if err != nil {
		return in, append(errs, err)
	}
	in.origin = from
	return in, errs
}

// projection makes the transform of --select and --missing.
func projection(set settings) (*transform.Projection, error) {
	fields, err := transform.ParseFields(set.Select)
	if err != nil {
		return nil, err
	}
	for i := range fields {
		fields[i].Missing = transform.Missing(slices.Index(missingNames, set.Missing))
	}
	return transform.ProjectFields(fields)
}
