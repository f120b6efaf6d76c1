package gs

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source"
)

// maxReported bounds how many names that can be no keys are reported.
const maxReported = 8

// filter decides which names of a bucket are objects of a source. It is made for
// one listing, and used by one goroutine.
type filter struct {
	cfg *Config
	now time.Time

	folder  string // of the last key, with a slash at the end
	refused bool   // folder is not listed

	bad  []error // names that can be no keys
	more int     // how many are not in bad
	last string  // the folder or name that was reported last
}

func (s *Source) newFilter() *filter { return &filter{cfg: &s.cfg, now: time.Now()} }

// key returns the key of an object's name, and whether it is listed.
func (f *filter) key(name string) (string, bool) {
	key, ok := strings.CutPrefix(name, f.cfg.Prefix)
	if !ok || key == "" || key[len(key)-1] == '/' {
		return "", false // the marker of a folder
	}
	slash := strings.LastIndexByte(key, '/')
	if folder := key[:slash+1]; folder != f.folder {
		f.folder, f.refused = folder, f.refuses(folder)
	}
	base := key[slash+1:]
	if f.refused || f.ignored(base) || !f.ends(key) {
		return "", false
	}
	if base == "." || base == ".." {
		f.report(key, errNoName)
		return "", false
	}
	return key, true
}

var errNoName = errors.New("has a name that is none")

// refuses reports whether a folder is not listed, for itself or for one it is in.
func (f *filter) refuses(folder string) bool {
	depth := 0
	for rest := folder; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		at := folder[:len(folder)-len(rest)]
		switch depth++; {
		case f.cfg.Flat, f.ignored(name):
			return true
		case name == "" || name == "." || name == "..":
			f.report(at, errNoName)
			return true
		case depth > f.cfg.MaxDepth:
			f.report(at, fmt.Errorf("nested deeper than %d folders", f.cfg.MaxDepth))
			return true
		}
	}
	return false
}

// ignored reports whether a file or folder of that name is passed over.
func (f *filter) ignored(name string) bool {
	if !f.cfg.IncludeHidden && name != "." && name != ".." && name != "" &&
		(name[0] == '.' || len(name) > 4 && strings.HasSuffix(name, ".tmp")) {
		return true
	}
	for _, pattern := range f.cfg.Ignore {
		// New has checked the patterns.
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// ends reports whether a key has one of the suffixes.
func (f *filter) ends(key string) bool {
	for _, suffix := range f.cfg.Suffixes {
		if strings.HasSuffix(key, suffix) {
			return true
		}
	}
	return len(f.cfg.Suffixes) == 0
}

// young reports whether an object is kept back for its age.
func (f *filter) young(o source.Object) bool {
	return f.cfg.MinAge > 0 && f.now.Sub(o.ModTime) < f.cfg.MinAge
}

// report notes a name that is passed over though nobody asked for that.
func (f *filter) report(name string, err error) {
	if name == f.last {
		return
	}
	f.last = name
	if len(f.bad) == maxReported {
		f.more++
		return
	}
	f.bad = append(f.bad, fmt.Errorf("gs: list: %q: %w", name, err))
}

// err returns what was reported.
func (f *filter) err() error {
	if f.more > 0 {
		return errors.Join(append(f.bad, fmt.Errorf("gs: list: and %d names more", f.more))...)
	}
	return errors.Join(f.bad...)
}
