package transform

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Missing says what becomes of a field that a record does not have.
type Missing uint8

const (
	// MissingOmit leaves the field out.
	MissingOmit Missing = iota
	// MissingNull makes it null.
	MissingNull
	// MissingCorrupt makes the record corrupt.
	MissingCorrupt
)

// Field is one field of a [Projection].
type Field struct {
	// Name is the field's name in the output. Required; unique.
	Name string
	// Path is where its value is found: a path of github.com/tidwall/gjson, in
	// the whole of its syntax. Required.
	Path string
	// Missing says what becomes of the field where there is no such value. A
	// value that is null is not missing. Defaults to [MissingOmit].
	Missing Missing
}

// ParseFields reads a list of fields separated by commas, each "name=path" or
// just "path", which is then named by its last part:
//
//	id,user=user.screen_name,tags=entities.hashtags.#.text,created_at
//
// Commas and equals signs in brackets or quotes belong to the path, and so do
// those behind a backslash. White space around names and paths is not part of
// them. All mistakes are reported at once.
func ParseFields(list string) ([]Field, error) {
	var specs []string
	start := 0
	err := scanPath(list, func(i int) bool {
		if list[i] == ',' {
			specs = append(specs, list[start:i])
			start = i + 1
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	return parseSpecs(append(specs, list[start:]))
}

// parseSpecs reads fields given one by one.
func parseSpecs(specs []string) ([]Field, error) {
	fields := make([]Field, len(specs))
	mistakes := make([]error, len(specs))
	for i, spec := range specs {
		var err error
		if fields[i], err = parseField(spec); err != nil {
			mistakes[i] = fmt.Errorf("field %d (%q): %w", i+1, strings.TrimSpace(spec), err)
		}
	}
	checkFields(fields, mistakes)
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return fields, nil
}

func parseField(spec string) (Field, error) {
	spec = strings.TrimSpace(spec)
	if spec == "" {
		return Field{}, errors.New("it is empty")
	}
	equals := -1
	err := scanPath(spec, func(i int) bool {
		if spec[i] == '=' {
			equals = i
		}
		return equals < 0
	})
	switch {
	case equals < 0 && err != nil:
		return Field{}, err
	case equals < 0:
		name, ok := lastName(spec)
		if !ok {
			return Field{}, errors.New("its last part is no name: write name=path")
		}
		return Field{Name: name, Path: spec}, nil
	}
	f := Field{Name: strings.TrimSpace(spec[:equals]), Path: strings.TrimSpace(spec[equals+1:])}
	if f.Name == "" {
		return Field{}, errors.New("no name before the equals sign")
	}
	if f.Path == "" {
		return Field{}, errors.New("no path behind the equals sign")
	}
	return f, scanPath(f.Path, func(int) bool { return true })
}

// lastName returns the name that the last part of path is, if it is one.
func lastName(path string) (string, bool) {
	last := 0
	err := scanPath(path, func(i int) bool {
		if path[i] == '.' || path[i] == '|' {
			last = i + 1
		}
		return true
	})
	if err != nil {
		return "", false
	}
	raw, key, _, _, ok := cutPart(path[last:])
	return key, ok && raw != "#"
}

// checkFields looks for mistakes in fields and adds them to mistakes, one for
// each field, but for the fields that have one already.
func checkFields(fields []Field, mistakes []error) {
	seen := make(map[string]int, len(fields))
	for i, f := range fields {
		if mistakes[i] != nil {
			continue
		}
		var found []error
		bad := func(format string, args ...any) {
			found = append(found, fmt.Errorf("field %d (%q): "+format, append([]any{i + 1, f.Name}, args...)...))
		}
		if first, taken := seen[f.Name]; taken {
			bad("the name is taken by field %d", first+1)
		}
		seen[f.Name] = i
		switch {
		case f.Name == "":
			bad("no name")
		case !utf8.ValidString(f.Name):
			bad("the name is not UTF-8")
		}
		switch _, plain := plainPath(f.Path); {
		case f.Path == "":
			bad("no path")
		case !utf8.ValidString(f.Path):
			bad("the path is not UTF-8")
		case !plain:
			if err := scanPath(f.Path, func(int) bool { return true }); err != nil {
				bad("path %q: %w", f.Path, err)
			}
		}
		if f.Missing > MissingCorrupt {
			bad("unknown policy %d for a missing value", f.Missing)
		}
		mistakes[i] = errors.Join(found...)
	}
}
