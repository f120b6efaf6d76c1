package s3store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/viant/afs/file"
	"github.com/viant/afs/object"
	"github.com/viant/afs/option"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/processor/fault"
)

// All lists every object below a folder, at any depth, in the order of their
// keys and page by page as the loop goes on; an error is the last element. What
// is listed may be deleted meanwhile. A folder without objects is empty, whether
// or not somebody made a key for it: keys that end in a slash are left out.
func (m *Manager) All(ctx context.Context, at string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		l, err := locate(at)
		if err != nil {
			yield(nil, fault.Fatal(fmt.Errorf("s3store: list: %w", err)))
			return
		}
		for page, err := range m.pages(ctx, l, &s3.ListObjectsV2Input{}) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, o := range page.Contents {
				if key := aws.ToString(o.Key); !strings.HasSuffix(key, "/") && !yield(l.at(key).object(o), nil) {
					return
				}
			}
		}
	}
}

// pages lists below l, with what in asks for beyond that.
func (m *Manager) pages(ctx context.Context, l location, in *s3.ListObjectsV2Input) iter.Seq2[*s3.ListObjectsV2Output, error] {
	return func(yield func(*s3.ListObjectsV2Output, error) bool) {
		in.Bucket, in.Prefix = &l.bucket, aws.String(l.folder())
		in.EncodingType = types.EncodingTypeUrl // a key may hold what XML cannot
		for {
			page, err := m.client.ListObjectsV2(ctx, in)
			if err == nil {
				err = decode(page)
			}
			if err != nil {
				yield(nil, callError(ctx, "list", l, err))
				return
			}
			if !yield(page, nil) || !aws.ToBool(page.IsTruncated) {
				return
			}
			token := aws.ToString(page.NextContinuationToken)
			if token == "" || token == aws.ToString(in.ContinuationToken) {
				yield(nil, fmt.Errorf("s3store: list %s: %w", l, errNoToken))
				return
			}
			in.ContinuationToken = &token
		}
	}
}

// decode takes the encoding back, of a store that obeyed the wish for it.
func decode(page *s3.ListObjectsV2Output) error {
	if page.EncodingType != types.EncodingTypeUrl {
		return nil
	}
	var errs []error
	plain := func(name *string) *string {
		text, err := url.QueryUnescape(aws.ToString(name))
		errs = append(errs, err)
		return &text
	}
	for i := range page.Contents {
		page.Contents[i].Key = plain(page.Contents[i].Key)
	}
	for i := range page.CommonPrefixes {
		page.CommonPrefixes[i].Prefix = plain(page.CommonPrefixes[i].Prefix)
	}
	return errors.Join(errs...)
}

// errNoToken means that a listing would never end.
var errNoToken = errors.New("the store says that there is more, and not where")

// object is a listed object as afs has it.
func (l location) object(o types.Object) storage.Object {
	return l.info(aws.ToInt64(o.Size), aws.ToTime(o.LastModified))
}

func (l location) info(size int64, modified time.Time) storage.Object {
	info := file.NewInfo(path.Base(l.key), size, file.DefaultFileOsMode, modified, false)
	return object.New(l.String(), info, nil)
}

// directory is a folder as afs has it.
func (l location) directory() storage.Object {
	name := path.Base(l.key)
	if l.key == "" {
		name = ""
	}
	info := file.NewInfo(name, 0, file.DefaultDirOsMode|os.ModeDir, time.Time{}, true)
	return object.New(strings.TrimSuffix(l.String(), "/"), info, nil)
}

// List lists one folder as afs does: the folder itself, then what is in it. Of a
// URL that names an object it lists that, and where there is neither the error
// wraps [fs.ErrNotExist]. Page and matcher options are obeyed, and no more pages
// are asked for than they need. For what may be long there is [Manager.All].
func (m *Manager) List(ctx context.Context, at string, options ...storage.Option) ([]storage.Object, error) {
	l, err := locate(at)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("s3store: list: %w", err))
	}
	c := collector{parent: strings.TrimSuffix(l.folder(), "/"), match: option.GetMatchFunc(nil), page: new(option.Page)}
	var matcher option.Matcher
	option.Assign(options, &c.match, &c.page, &matcher)
	if matcher != nil {
		c.match = matcher.Match
	}
	there := false
	for page, err := range m.pages(ctx, l, &s3.ListObjectsV2Input{Delimiter: aws.String("/")}) {
		if err != nil {
			return nil, err
		}
		entries := children(l, page)
		if !there && (len(entries) > 0 || l.key == "") { // a bucket may be empty
			there = true
			entries = append([]storage.Object{l.directory()}, entries...)
		}
		if !c.take(entries...) {
			break
		}
	}
	if there {
		return c.found, nil
	}
	o, err := m.head(ctx, l)
	if err != nil {
		return nil, err
	}
	c.take(o)
	return c.found, nil
}

// collector gathers what the options of a listing let through.
type collector struct {
	parent string // path of the folder
	match  option.Match
	page   *option.Page
	found  []storage.Object
}

// take adds entries, and reports whether more are wanted.
func (c *collector) take(entries ...storage.Object) bool {
	for _, o := range entries {
		switch {
		case !c.match(c.parent, o):
			continue
		case c.page.ShallSkip():
		case c.page.HasReachedLimit():
			return false
		default:
			c.found = append(c.found, o)
		}
		c.page.Increment()
	}
	return !c.page.HasReachedLimit()
}

// children is what one page lists in a folder.
func children(l location, page *s3.ListObjectsV2Output) []storage.Object {
	var all []storage.Object
	for _, p := range page.CommonPrefixes {
		all = append(all, l.at(aws.ToString(p.Prefix)).directory())
	}
	for _, o := range page.Contents {
		if key := aws.ToString(o.Key); !strings.HasSuffix(key, "/") {
			all = append(all, l.at(key).object(o))
		}
	}
	return all
}

// Object tells what is at a URL: an object, or a folder that holds some. Where
// there is neither the error wraps [fs.ErrNotExist].
func (m *Manager) Object(ctx context.Context, at string, _ ...storage.Option) (storage.Object, error) {
	l, err := locate(at)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("s3store: look at: %w", err))
	}
	o, err := m.head(ctx, l)
	if !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	for page, listErr := range m.pages(ctx, l, &s3.ListObjectsV2Input{MaxKeys: aws.Int32(1)}) {
		if listErr != nil {
			return nil, listErr
		}
		if len(page.Contents) > 0 || l.key == "" {
			return l.directory(), nil
		}
		break
	}
	return nil, err
}

// head asks for one object.
func (m *Manager) head(ctx context.Context, l location) (storage.Object, error) {
	if l.key == "" || strings.HasSuffix(l.key, "/") {
		return nil, fmt.Errorf("s3store: look at %s: %w", l, fs.ErrNotExist)
	}
	out, err := m.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &l.bucket, Key: &l.key})
	if err != nil {
		return nil, lookError(ctx, "look at", l, err)
	}
	return l.info(aws.ToInt64(out.ContentLength), aws.ToTime(out.LastModified)), nil
}

// Exists reports whether there is an object at a URL, or a folder that holds
// some.
func (m *Manager) Exists(ctx context.Context, at string, options ...storage.Option) (bool, error) {
	_, err := m.Object(ctx, at, options...)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
