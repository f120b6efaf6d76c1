package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source"
)

// Objects implements [source.Source], page by page, in the order of S3: that of
// the keys, byte by byte. While a page is worked on the next one is fetched. A
// name that can be no key, such as "a//b", is passed over, and the error comes
// after everything else was listed. AccessDenied and the lack of the bucket are
// marked fault.Fatal.
func (s *Source) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		err := s.scan(ctx, "", func(p page) bool {
			for _, o := range p.objects {
				if !yield(o, nil) {
					return false
				}
			}
			return true
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(source.Object{}, err)
		}
	}
}

var (
	errStopped = errors.New("stopped by the caller")
	errGarbled = errors.New("has a control character that the store cannot list")
)

// page is what one request listed.
type page struct {
	objects []source.Object // that are wanted
	last    string          // the greatest key so far, wanted or not, before the first that is too young
}

// scan lists what comes after a key, and calls yield for each page, until that
// returns false: then it returns errStopped.
func (s *Source) scan(ctx context.Context, after string, yield func(page) bool) error {
	w := &walk{s: s, filter: s.newFilter(time.Now()), after: after}
	return w.scan(ctx, w.run, yield)
}

// scan is scan of what list lists.
func (w *walk) scan(ctx context.Context, list func(context.Context) error, yield func(page) bool) error {
	fetching, cancel := context.WithCancel(ctx)
	w.pages = make(chan page)
	failed := make(chan error, 1)
	go func() {
		defer close(w.pages)
		failed <- list(fetching)
	}()
	stopped := false
	for p := range w.pages {
		if stopped = !yield(p); stopped {
			break
		}
	}
	cancel()
	err := <-failed
	switch {
	case stopped:
		return errStopped
	case err == nil && ctx.Err() != nil: // the rest was there already
		return fmt.Errorf("s3: list %s: %w", w.s.URL(), classify(ctx, ofBucket, ctx.Err()))
	}
	return err
}

// walk is a listing under way: the goroutine that fetches its pages.
type walk struct {
	s      *Source
	filter *filter
	after  string
	pages  chan page
	held   bool // something was kept back for its age
}

// run lists all prefixes, and returns the error that the listing ends with.
func (w *walk) run(ctx context.Context) error {
	prefixes := func(yield func(string) bool) { yield("") }
	if len(w.s.levels) > 0 {
		prefixes = w.filter.span.prefixes()
	}
	for p := range prefixes {
		after := ""
		switch {
		case strings.HasPrefix(w.after, p):
			after = w.after
		case p < w.after:
			continue // everything in it comes before
		}
		if err := w.prefix(ctx, p, after); err != nil {
			return fmt.Errorf("s3: list %s%s: %w", w.s.URL(), p, err)
		}
	}
	return w.filter.err()
}

// place is where a listing goes on.
type place struct {
	after string  // behind that name
	token *string // or where the store says
	key   *string // beside token, in a listing of versions
}

// prefix lists the names that begin with a prefix.
func (w *walk) prefix(ctx context.Context, prefix, after string) error {
	prefix = w.s.root + prefix
	at := place{}
	if after != "" {
		at.after = w.s.root + after
	}
	last, ordered := at.after, true
	for {
		entries, next, err := w.s.fetch(ctx, prefix, at)
		if err != nil {
			if at.token == nil || !ordered || last == "" || statusOf(err) != http.StatusBadRequest {
				return classify(ctx, ofBucket, err)
			}
			at = place{after: last} // the store does not know its token any more
			continue
		}
		p := page{objects: make([]source.Object, 0, len(entries))}
		for _, e := range entries {
			if e.name == last {
				continue // some stores begin with what the last page ended with
			}
			ordered = ordered && e.name > last
			last = e.name
			w.take(&p, e)
		}
		select {
		case w.pages <- p:
		case <-ctx.Done():
			return classify(ctx, ofBucket, ctx.Err())
		}
		switch {
		case next == nil:
			return nil
		case next.same(at):
			return fmt.Errorf("the store goes on where it was: %w", errNoListing)
		}
		at = *next
		if skip := w.s.root + w.filter.refuse; w.filter.refuse != "" && ordered && strings.HasPrefix(last, skip) {
			at = place{after: skip + "\U0010FFFF"} // behind all that is in a folder which is not listed
		}
	}
}

// take adds an entry to a page, if it is wanted.
func (w *walk) take(p *page, e entry) {
	key, ok := w.filter.key(e.name)
	if ok && e.garbled {
		w.filter.report(key, errGarbled)
	} else if ok {
		o := w.s.object(key, e.stored)
		if w.filter.young(o) {
			w.held = true
		} else {
			p.objects = append(p.objects, o)
		}
	}
	if !w.held {
		p.last = max(p.last, strings.TrimPrefix(e.name, w.s.root))
	}
}

func (p place) same(q place) bool {
	return p.token != nil && q.token != nil && *p.token == *q.token && (p.key == nil || q.key == nil || *p.key == *q.key)
}
