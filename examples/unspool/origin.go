package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/bytime"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/s3"
	"github.com/unspool-go/unspool/source/web"
)

// httpToken is the variable with the bearer token for --source http(s)://…
const httpToken = "UNSPOOL_HTTP_TOKEN"

// origin is where files come from.
type origin struct {
	source.Source
	// Folder is the local folder that is read, "" where it is none.
	Folder string

	close func() error
}

// Close releases what it holds.
func (o *origin) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// openOrigin opens what --source names, with all that the options say of it. An
// operator wants sizes and times, which a run can do without, and files as they
// are stored.
func openOrigin(ctx context.Context, set settings, operator bool) (*origin, error) {
	o := new(origin)
	src, err := o.open(ctx, set, operator)
	if err == nil && set.NameTime != "" {
		src, err = bytime.New(src, bytime.Config{Layout: set.NameTime, Order: byTime(set.Order)})
	}
	if err == nil && set.Compression == "auto" && !operator {
		src, err = decompress.New(src, decompress.Config{})
	}
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	o.Source = src
	return o, nil
}

// byTime is the order among times: any is as good where none is asked for.
func byTime(order string) bytime.Order {
	if order == "newest" {
		return bytime.NewestFirst
	}
	return bytime.OldestFirst
}

func (o *origin) open(ctx context.Context, set settings, stat bool) (source.Source, error) {
	scheme, _, isURL := strings.Cut(set.Source, "://")
	if set.Order == "name" && isURL && scheme != "file" && scheme != "s3" {
		return nil, fmt.Errorf("%s:// lists files as the server does: --order name is for folders and s3://", scheme)
	}
	switch {
	case isURL && (scheme == "http" || scheme == "https"):
		s, err := web.New(set.Source, web.Config{Token: os.Getenv(httpToken)})
		if err != nil {
			return nil, err
		}
		o.close = s.Close
		return s, nil
	case isURL && scheme == "s3":
		return openBucket(ctx, set)
	}
	cfg := dir.Config{Stat: stat}
	if set.Order == "name" {
		cfg.Order = dir.NameOrder
	}
	folder, path, err := openFolder(set.Source, cfg)
	if err != nil {
		return nil, err
	}
	o.Folder, o.close = path, folder.Close
	return folder, nil
}

func openBucket(ctx context.Context, set settings) (source.Source, error) {
	bucket, prefix, ok := bucketOf(set.Source)
	if !ok {
		return nil, fmt.Errorf("%q is no s3://BUCKET/PREFIX", set.Source)
	}
	aws, err := awsSettings(ctx)
	if err != nil {
		return nil, err
	}
	return s3.New(s3.NewClient(aws), s3.Config{Bucket: bucket, Prefix: prefix})
}

// openFolder opens the folder at a path or file:// URL, and returns its absolute
// path as well.
func openFolder(location string, cfg dir.Config) (*dir.Source, string, error) {
	path, local, err := localPath(location)
	switch {
	case err != nil:
		return nil, "", err
	case !local:
		return nil, "", fmt.Errorf("%s: only paths, file://, http(s):// and s3:// are known", location)
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
