// Package dir is the [source.Source] of a local directory: each regular file
// below it is one object, whose key is its path relative to the directory.
//
// Nothing outside the directory can be reached through it, whatever names and
// symbolic links it holds. A symbolic link is followed as long as it is
// relative and stays inside; one that leads out or nowhere is an object that
// fails when it is opened. Links to folders are not followed: what they lead to
// is listed at its own place. FIFOs, sockets and devices are no objects.
//
// Keys are the raw bytes of names, with whatever spaces, newlines or invalid
// UTF-8 they hold.
package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Order is the order in which objects are listed.
type Order string

const (
	// FolderOrder is the order in which the file system gives the names, a
	// nested folder's objects where the folder stands. Listing it costs about a
	// quarter of a microsecond a name, and memory for one read of each folder
	// that is open (32 KiB).
	FolderOrder Order = "folder"
	// NameOrder is the order of the keys, compared byte by byte. A folder with
	// more than 65,536 names is read once for every 65,536 of them, so that
	// memory stays bounded to a few megabytes for each level of folders.
	NameOrder Order = "name"
)

// Config says what of a directory is listed. The zero value lists all but
// hidden and temporary files.
type Config struct {
	// Order defaults to [FolderOrder].
	Order Order
	// Ignore are patterns as in [path.Match]. A file or folder whose name (not
	// its path) matches one is passed over.
	Ignore []string
	// IncludeHidden lists names that start with "." or end with ".tmp", too.
	// Otherwise they are taken for files, and folders, that are not ready.
	IncludeHidden bool
	// MinAge keeps files back whose last modification is younger, so that files
	// that are still being written are not seen. Each file is then looked at
	// while it is listed. Defaults to 0: no look, no limit.
	MinAge time.Duration
	// Settle is how long a file must stay as it is until a [source.Changes] takes
	// it (see Watch), where nothing tells whether its writer is done with it. The
	// writer must not pause for longer than that. Negative: files are complete as
	// soon as they are there, because they are renamed into place. Defaults to 5
	// seconds.
	Settle time.Duration
	// Poll makes Watch list the directory again and again, as it does by itself
	// where the system does not tell of all that appears.
	Poll bool
	// Stat fills in Size and ModTime while listing, which costs about two
	// microseconds a file. Otherwise they are known when an object is opened.
	Stat bool
	// Flat passes over nested folders.
	Flat bool
	// SkipFolder, if not nil, reports whether a nested folder is passed over, with
	// all that is in it: it is neither listed nor observed. It is asked by each
	// listing, with the key of the folder, once the folders above were not passed
	// over, and must stand by what it said. See bytime.Folders.
	SkipFolder func(folder string) bool
	// PastFolder, if not nil, reports that nothing more is expected in a nested
	// folder: where a directory is polled (see Watch), one that was found empty is
	// not listed again until everything is. It is asked with the key of the folder.
	PastFolder func(folder string) bool
	// MaxDepth is how many levels of nested folders are listed. A deeper one is
	// passed over and reported at the end of the listing. Defaults to 64.
	MaxDepth int
}

const (
	defaultMaxDepth = 64
	defaultSettle   = 5 * time.Second
)

// Source is a local directory. It is safe for concurrent use.
type Source struct {
	cfg    Config
	path   string // absolute
	root   *os.Root
	dot    *os.File // the directory itself
	files  files
	closed atomic.Bool

	settled    time.Duration // settledAge, but in tests
	maxWatched int           // of the same name, but in tests
}

var (
	_ source.Source      = (*Source)(nil)
	_ source.SmallReader = (*Source)(nil)
	_ source.Relister    = (*Source)(nil)
)

// Open opens the directory at path, which must exist. It reports every mistake
// in cfg, and reads nothing yet.
func Open(path string, cfg Config) (*Source, error) {
	if cfg.Order == "" {
		cfg.Order = FolderOrder
	}
	if cfg.MaxDepth == 0 {
		cfg.MaxDepth = defaultMaxDepth
	}
	if cfg.Settle == 0 {
		cfg.Settle = defaultSettle
	}
	cfg.Ignore = append([]string(nil), cfg.Ignore...)
	if err := cfg.check(); err != nil {
		return nil, fault.Fatal(err)
	}
	s, err := open(path, cfg)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("dir: open directory %q: %w", path, cause(err)))
	}
	return s, nil
}

func open(path string, cfg Config) (*Source, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(absolute)
	if err != nil {
		return nil, err
	}
	dot, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Source{cfg: cfg, path: absolute, root: root, dot: dot, files: newFiles(root, dot), settled: settledAge, maxWatched: maxWatched}, nil
}

func (c Config) check() error {
	var errs []error
	if c.Order != FolderOrder && c.Order != NameOrder {
		errs = append(errs, fmt.Errorf("dir: Config.Order: %q is neither %q nor %q", c.Order, FolderOrder, NameOrder))
	}
	for i, pattern := range c.Ignore {
		if _, err := path.Match(pattern, ""); err != nil {
			errs = append(errs, fmt.Errorf("dir: Config.Ignore[%d]: %q: %w", i, pattern, err))
		}
	}
	if c.MinAge < 0 {
		errs = append(errs, fmt.Errorf("dir: Config.MinAge: %v is negative", c.MinAge))
	}
	if c.MaxDepth < 0 {
		errs = append(errs, fmt.Errorf("dir: Config.MaxDepth: %d is negative", c.MaxDepth))
	}
	return errors.Join(errs...)
}

// Close closes the directory. It must not be called before every listing and
// every call of ReadObject and Open has returned; readers stay usable.
func (s *Source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return errors.Join(s.dot.Close(), s.root.Close())
}

// URL returns the directory as a file:// URL.
func (s *Source) URL() string {
	p := filepath.ToSlash(s.path)
	if p == "" || p[0] != '/' {
		p = "/" + p // a drive letter
	}
	return (&url.URL{Scheme: "file", Path: p}).String()
}

// cause strips the path that package os adds: errors here name the object.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
