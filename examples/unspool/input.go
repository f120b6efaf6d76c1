package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// input is the first half of a job: what is read and what is made of it.
type input struct {
	Source    source.Source
	Split     source.Split
	Transform transform.Transform
	// Folder is the local folder that is read, "" where there is none.
	Folder string

	close func() error
}

// Close releases the source, where there is one.
func (in *input) Close() error {
	if in.close == nil {
		return nil
	}
	return in.close()
}

// buildInput opens the source, which the caller closes, with mistakes too. They
// are the user's, and all there are.
func buildInput(set settings) (*input, []error) {
	var errs []error
	in := &input{
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
	if set.Source == "" {
		return in, errs // a mistake that is known
	}
	if err := in.open(set.Source); err != nil {
		errs = append(errs, fmt.Errorf("--source: %w", err))
	}
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

func (in *input) open(location string) error {
	folder, path, err := openFolder(location, dir.Config{})
	if err != nil {
		return err
	}
	in.Source, in.Folder, in.close = folder, path, folder.Close
	return nil
}

// openFolder opens the folder at a path or file:// URL, and returns its absolute
// path as well.
func openFolder(location string, cfg dir.Config) (*dir.Source, string, error) {
	path, local, err := localPath(location)
	switch {
	case err != nil:
		return nil, "", err
	case !local:
		return nil, "", fmt.Errorf("%s: only paths and file:// are known", location)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, "", err
	case !info.IsDir():
		return nil, "", fmt.Errorf("%s is no folder", path)
	}
	folder, err := dir.Open(path, cfg)
	return folder, path, err
}
