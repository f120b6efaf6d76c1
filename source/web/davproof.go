package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// ErrUnsafe is wrapped by the errors of a [DAV] whose server does not keep to
// conditions, or offers no WebDAV.
var ErrUnsafe = errors.New("the server cannot be trusted to move or delete files: " +
	"archive on the machine of the files, with the folder as source and the same claims")

// Prove finds out whether the server is safe, as all other methods do first. Once
// it is known the server is not asked again.
func (d *DAV) Prove(ctx context.Context) error {
	if d.closed.Load() {
		return fmt.Errorf("web: try out %s: %w", d.URL(), fs.ErrClosed)
	}
	select {
	case d.proving <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.proving }()
	if d.proven || d.refused != nil {
		return d.refused
	}
	p := probe{DAV: d, ctx: ctx}
	defer p.clean()
	err := p.run()
	switch {
	case err == nil:
		d.proven = true
	case ctx.Err() == nil && !fault.Is(err, fault.ClassInterrupted):
		// What the probe met says nothing about any object.
		err = fault.Fatal(fmt.Errorf("%w: %v", ErrUnsafe, err)) //nolint:errorlint // so it is not wrapped
		d.refused = err
	}
	return err
}

const (
	// wrongETag is that of no file.
	wrongETag = "unspool-no-version"
	// tick is longer than the steps in which servers tell times.
	tick = 1100 * time.Millisecond
	// cleaning is how long the removal of files of a probe may take.
	cleaning = 10 * time.Second
)

// probe tries a server out with files of its own. They are empty, and hidden from
// listings as all whose names begin with a dot.
type probe struct {
	*DAV
	ctx   context.Context
	files []*url.URL // that are to be deleted
}

// run returns what the server does wrong.
func (p *probe) run() error {
	name := ".unspool-probe-" + rand.Text()
	file, taken, free := p.target(name+"-1"), p.target(name+"-2"), p.target(name+"-3")
	p.files = []*url.URL{file, taken, free}
	for _, f := range p.files[:2] {
		if err := p.does(http.MethodPut, f, "If-None-Match", "*"); err != nil {
			return err
		}
	}
	select { // until the ETag is strong, and its time another
	case <-time.After(tick):
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	first, err := p.find(p.ctx, file)
	switch {
	case err != nil:
		return fmt.Errorf("PROPFIND: %w", err)
	case !first.strong:
		return errors.New("PROPFIND: it gives a file no strong ETag")
	}
	move := func(to *url.URL, etag string) []string {
		return []string{"If-Match", quoted(etag), "Destination", to.String(), "Overwrite", "F"}
	}
	if err := p.refuses("MOVE", file, "If-Match", move(free, wrongETag)...); err != nil {
		return err
	}
	if err := p.refuses("MOVE", file, "Overwrite", move(taken, first.etag)...); err != nil {
		return err
	}
	if err := p.refuses(http.MethodDelete, taken, "If-Match", "If-Match", quoted(wrongETag)); err != nil {
		return err
	}
	if err := p.does("MOVE", file, move(free, first.etag)...); err != nil {
		return err
	}
	moved, err := p.find(p.ctx, free)
	switch {
	case err != nil:
		return fmt.Errorf("PROPFIND: %w", err)
	case !moved.created.After(first.created):
		return errors.New("its creationdate does not tell since when a file has its name")
	}
	return p.does(http.MethodDelete, free, "If-Match", quoted(moved.etag))
}

// does checks that the server does something.
func (p *probe) does(method string, to *url.URL, headers ...string) error {
	code, err := p.ask(p.ctx, method, to, headers...)
	if err == nil && code >= 300 {
		err = codeError(code)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// refuses checks that the server refuses something for a condition.
func (p *probe) refuses(method string, to *url.URL, condition string, headers ...string) error {
	code, err := p.ask(p.ctx, method, to, headers...)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", method, err)
	case code < 300:
		return fmt.Errorf("%s: it ignores %s", method, condition)
	case code != http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", method, codeError(code))
	}
	return nil
}

// clean deletes what is left of the files. What cannot be deleted stays, empty
// and hidden.
func (p *probe) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), cleaning)
	defer cancel()
	for _, f := range p.files {
		_, _ = p.ask(ctx, http.MethodDelete, f)
	}
}
