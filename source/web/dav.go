package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// DAV is a [Source] whose objects can be moved and removed, by WebDAV (RFC 4918):
// for archiving where nothing runs on the machine of the files.
//
// A server that does not keep to conditions would let go of files that were never
// processed. So before anything else it has to prove, once, with hidden files of
// a moment in the folder itself, that it obeys If-Match of MOVE and DELETE and
// Overwrite of MOVE, and that its creationdate tells since when a file has its
// name. Apache with mod_dav_fs does. Of others, nginx among them, all methods fail
// with an error that is marked fault.Fatal and wraps [ErrUnsafe]: archive there
// through source/dir on the machine of the files, with the same claims.
//
// Two things are weaker than through source/dir. A server does not tell when a
// removal is durable: should its machine lose power, what was removed in the last
// seconds may be there again, and is processed again. And it knows a file by its
// ETag, which is often but size and time.
type DAV struct {
	*Source

	proving chan struct{} // holds one while somebody proves
	proven  bool          // while proving
	refused error         // likewise

	mu   sync.Mutex
	made map[string]bool // folders that are known to be there, by escaped path
}

var (
	_ source.Remover = (*DAV)(nil)
	_ source.Mover   = (*DAV)(nil)
)

// DAV returns s as a source whose objects can be moved and removed. It asks the
// server for nothing yet.
func (s *Source) DAV() *DAV {
	return &DAV{Source: s, proving: make(chan struct{}, 1), made: map[string]bool{}}
}

// Stat implements [source.Remover].
func (d *DAV) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	o, since, err := d.stat(ctx, key)
	if err != nil {
		return source.Object{}, time.Time{}, fmt.Errorf("web: look at %q: %w", key, err)
	}
	return o, since, nil
}

func (d *DAV) stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	if err := d.start(ctx, key); err != nil {
		return source.Object{}, time.Time{}, err
	}
	p, err := d.find(ctx, d.target(key))
	if err != nil {
		return source.Object{}, time.Time{}, err
	}
	o := source.Object{Key: key, Size: p.size, ModTime: p.modTime, Version: p.etag}
	return o, p.created.Add(time.Second), nil // it was cut to a second
}

// start checks what all methods need.
func (d *DAV) start(ctx context.Context, key string) error {
	if err := d.ready(ctx, key); err != nil {
		return err
	}
	return d.Prove(ctx)
}

// Remove implements [source.Remover], by DELETE on condition of the ETag.
func (d *DAV) Remove(ctx context.Context, objects []source.Object) []error {
	return d.each("remove", objects, func(o source.Object) error {
		etag, err := d.present(ctx, o)
		if err != nil {
			return err
		}
		code, err := d.ask(ctx, http.MethodDelete, d.target(o.Key), "If-Match", quoted(etag))
		if err == nil && code >= 300 {
			err = codeError(code)
		}
		return err
	})
}

// present returns the ETag of the object given.
func (d *DAV) present(ctx context.Context, o source.Object) (etag string, err error) {
	if err := d.start(ctx, o.Key); err != nil || o.Version != "" {
		return o.Version, err
	}
	now, _, err := d.stat(ctx, o.Key)
	switch {
	case err != nil:
		return "", err
	case !o.SameAs(now):
		return "", source.ErrChanged
	}
	return now.Version, nil
}

// Move implements [source.Mover] for folders on the same server, outside of the
// source. They are made where they are not there. Others are unsupported.
func (d *DAV) Move(ctx context.Context, objects []source.Object, to string) []error {
	folder, err := d.folder(to)
	return d.each("move", objects, func(o source.Object) error {
		if err != nil {
			return err
		}
		return d.move(ctx, o, folder)
	})
}

// folder returns the folder that a URL names, with a slash at the end of its
// paths.
func (d *DAV) folder(to string) (*url.URL, error) {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != d.root.Scheme || !strings.EqualFold(u.Host, d.root.Host) {
		return nil, fmt.Errorf("to another place than %s://%s/: %w", d.root.Scheme, d.root.Host, errors.ErrUnsupported)
	}
	decoded := strings.TrimSuffix(u.Path, "/") + "/"
	switch {
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "", u.User != nil, decoded != "/" && path.Clean(decoded)+"/" != decoded:
		return nil, fault.Fatal(errors.New("to: want http(s)://host/folder/ and nothing more"))
	case strings.HasPrefix(decoded, d.root.Path):
		return nil, fault.Fatal(fmt.Errorf("to a folder in the source %s: what is put there would be listed again", d.URL()))
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: decoded, RawPath: strings.TrimSuffix(u.EscapedPath(), "/") + "/"}, nil
}

func (d *DAV) move(ctx context.Context, o source.Object, folder *url.URL) error {
	etag, err := d.present(ctx, o)
	if err != nil {
		return err
	}
	target := belowURL(folder, o.Key)
	if err := d.makeFolders(ctx, folder, o.Key); err != nil {
		return err
	}
	code, err := d.moveTo(ctx, d.target(o.Key), target, etag)
	switch {
	case err != nil:
		return err
	case code == http.StatusPreconditionFailed:
		return d.whyNot(ctx, o, etag, target)
	case code >= 300:
		d.forgetFolders() // one of them may have gone
		return codeError(code)
	}
	return nil
}

// moveTo asks to move what has an ETag to where nothing is.
func (d *DAV) moveTo(ctx context.Context, from, to *url.URL, etag string) (code int, err error) {
	return d.ask(ctx, "MOVE", from, "If-Match", quoted(etag), "Destination", to.String(), "Overwrite", "F")
}

// whyNot tells which of the conditions of a move does not hold.
func (d *DAV) whyNot(ctx context.Context, o source.Object, etag string, target *url.URL) error {
	now, err := d.find(ctx, d.target(o.Key))
	switch {
	case errors.Is(err, errNoFile), err == nil && now.etag != etag:
		return source.ErrChanged
	case err != nil:
		return err
	}
	switch _, err := d.find(ctx, target); {
	case err == nil, errors.Is(err, errNoFile):
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look at what is in the way: %w", err)
	}
	return source.ErrChanged
}

// makeFolders makes the folders that a key is in, and those that lead to folder.
func (d *DAV) makeFolders(ctx context.Context, folder *url.URL, key string) error {
	full := belowURL(folder, key[:strings.LastIndexByte(key, '/')+1])
	for i := 1; i < len(full.RawPath); i++ {
		if full.RawPath[i] != '/' || d.isMade(full.RawPath[:i+1]) {
			continue
		}
		escaped := full.RawPath[:i+1]
		decoded, err := url.PathUnescape(escaped)
		if err != nil {
			return err
		}
		to := &url.URL{Scheme: full.Scheme, Host: full.Host, Path: decoded, RawPath: escaped}
		code, err := d.ask(ctx, "MKCOL", to)
		switch {
		case err != nil:
			return fmt.Errorf("make the folder %s: %w", to, err)
		case code == http.StatusMethodNotAllowed, code < 300: // 405: it is there
		case code == http.StatusForbidden, code == http.StatusUnauthorized: // it may be there
			continue
		default:
			return fmt.Errorf("make the folder %s: %w", to, codeError(code))
		}
		d.mu.Lock()
		d.made[escaped] = true
		d.mu.Unlock()
	}
	return nil
}

func (d *DAV) isMade(escaped string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.made[escaped]
}

func (d *DAV) forgetFolders() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.made)
}

// davAtOnce is how many objects of one call are removed or moved at a time.
const davAtOnce = 8

// each calls do for many objects side by side, and returns the error of each.
func (d *DAV) each(op string, objects []source.Object, do func(o source.Object) error) []error {
	errs := make([]error, len(objects))
	slots := make(chan struct{}, davAtOnce)
	var wg sync.WaitGroup
	for i, o := range objects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(o); err != nil {
				errs[i] = fmt.Errorf("web: %s %q: %w", op, o.Key, err)
			}
		})
	}
	wg.Wait()
	return errs
}
