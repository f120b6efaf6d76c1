package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// localPath returns the absolute path that a path or file:// URL names, which
// is taken as it is written: nothing is unescaped. ok is false for URLs of other
// schemes.
func localPath(location string) (path string, ok bool, err error) {
	scheme, rest, isURL := strings.Cut(location, "://")
	switch {
	case !isURL:
		path = location
	case scheme != "file":
		return "", false, nil
	default:
		host, after, _ := strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return "", false, fmt.Errorf("%s names the host %q: write file:///path", location, host)
		}
		path = "/" + after
	}
	path, err = filepath.Abs(path)
	return path, err == nil, err
}

// folder is a local folder that an option names.
type folder struct {
	option string
	path   string // absolute
}

// overlaps reports every pair of folders of which one is the other or holds it:
// what is written to one would be read, or hidden, by the other. The failed and
// corruption destinations are only ever written, and may be one.
func overlaps(folders []folder) []error {
	var errs []error
	for i, a := range folders {
		for _, b := range folders[:i] {
			if a.option == "corruption" && b.option == "failed" {
				continue
			}
			ra, rb := resolve(a.path), resolve(b.path)
			switch {
			case ra == rb:
				errs = append(errs, fmt.Errorf("--%s: is the same folder as --%s: %s", a.option, b.option, a.path))
			case within(ra, rb):
				errs = append(errs, fmt.Errorf("--%s: %s is inside --%s %s", a.option, a.path, b.option, b.path))
			case within(rb, ra):
				errs = append(errs, fmt.Errorf("--%s: %s holds --%s %s", a.option, a.path, b.option, b.path))
			}
		}
	}
	return errs
}

// resolve follows the symbolic links of those leading parts of path that exist.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent, name := filepath.Split(filepath.Clean(path))
	if name == "" || parent == path {
		return path
	}
	return filepath.Join(resolve(filepath.Clean(parent)), name)
}

// within reports whether path lies below folder. Both are absolute.
func within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
