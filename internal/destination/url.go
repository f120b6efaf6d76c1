package destination

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/viant/afs"
)

// almostScheme matches a URL that lost a slash: taken as a path it would write
// to a local folder "s3:". One letter and a colon is a Windows drive.
var almostScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

// unfit are schemes of afs that cannot keep the promises of a part.
var unfit = map[string]string{
	"zip":   "an archive is rewritten for every part",
	"tar":   "an archive is rewritten for every part",
	"embed": "it cannot be written",
	"scp":   "it writes in place: half a part would be visible",
	"ssh":   "it writes in place: half a part would be visible",
}

// stores are the packages that have what a scheme needs.
var stores = map[string]string{"s3": "s3store", "gs": "gsstore", "sqs": "sqsstore"}

// Check reports what is wrong with a destination URL without touching it: an
// empty or malformed URL, an unknown macro, a scheme that nobody registered or
// that cannot write a part whole.
func Check(url string) error {
	if err := check(url); err != nil {
		return fmt.Errorf("destination %q: %w", url, err)
	}
	return nil
}

func check(url string) error {
	if strings.TrimSpace(url) == "" {
		return errors.New("url is empty")
	}
	for _, r := range url {
		if r < ' ' || r == 0x7f {
			return errors.New("url holds a control character")
		}
	}
	if err := CheckMacros(url); err != nil {
		return err
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		if m := almostScheme.FindString(url); m != "" {
			return fmt.Errorf("a url starts with %s//, a path of that name with ./", m)
		}
		return nil
	}
	if scheme == "" || strings.ContainsAny(scheme, "/\\$ ") {
		return errors.New("url has a malformed scheme")
	}
	if scheme == "file" {
		if _, ok := localPath(url); !ok {
			return errors.New("file url names another host: write file:///path")
		}
		return nil
	}
	if reason, ok := unfit[scheme]; ok {
		return fmt.Errorf("scheme %s is not fit for a destination: %s", scheme, reason)
	}
	if _, err := afs.GetRegistry().Get(scheme); err != nil {
		if store, ok := stores[scheme]; ok {
			return fmt.Errorf("scheme %s is not registered with afs: call %s.Register first", scheme, store)
		}
		return fmt.Errorf("scheme %s is not registered with afs", scheme)
	}
	if strings.Trim(rest, "/") == "" {
		return errors.New("url names no folder")
	}
	if strings.Contains(rest, "://") {
		return errors.New("url holds a second scheme")
	}
	for element := range strings.SplitSeq(rest, "/") {
		if element == "." || element == ".." {
			return errors.New("url holds a . or .. element")
		}
	}
	if o, ok := outletOf(url); ok {
		return o.CheckBase(url)
	}
	return nil
}

// Inside reports whether a destination is in the folder of the URL base, or is
// that folder itself: a local one, or one of the same scheme and bucket.
func Inside(url, base string) bool {
	path, ok := localPath(url)
	folder, baseOK := localPath(base)
	if !ok && !baseOK {
		return strings.HasPrefix(strings.TrimRight(url, "/")+"/", strings.TrimRight(base, "/")+"/")
	}
	if !ok || !baseOK {
		return false
	}
	path, err := filepath.Abs(path)
	folder, baseErr := filepath.Abs(folder)
	if err != nil || baseErr != nil {
		return false
	}
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// localPath returns the path of a plain path or a file URL of this host.
func localPath(url string) (string, bool) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return filepath.Clean(url), true
	}
	if scheme != "file" {
		return "", false
	}
	host, path, _ := strings.Cut(rest, "/")
	if host != "" && host != "localhost" {
		return "", false
	}
	return filepath.Clean("/" + path), true
}
