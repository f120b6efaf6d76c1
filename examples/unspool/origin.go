package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/bytime"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/mirror"
	"github.com/unspool-go/unspool/source/parquet"
	"github.com/unspool-go/unspool/source/s3"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/source/web"
)

// httpToken is the variable with the bearer token for --source http(s)://…
const httpToken = "UNSPOOL_HTTP_TOKEN"

// origin is where files come from.
type origin struct {
	source.Source
	// Folder is the local folder that is read, "" where it is none.
	Folder string

	close   func() error
	folders *bytime.Folders // of --partitions; nil without, and with s3://
}

// Close releases what it holds.
func (o *origin) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// PassedOver returns how many folders were not listed for --horizon.
func (o *origin) PassedOver() int64 {
	if o.folders == nil {
		return 0
	}
	return o.folders.Skipped()
}

// openOrigin opens what --source names, with all that the options say of it, or
// returns every mistake in them. An operator wants sizes and times, which a run can
// do without, and files as they are stored. Where no source is given, which is told
// elsewhere, the others are looked at all the same.
func openOrigin(ctx context.Context, set settings, operator bool) (*origin, error) {
	o := new(origin)
	var (
		src  source.Source = nowhere{}
		errs []error
	)
	if set.Source != "" {
		opened, err := o.open(ctx, set, operator)
		if err != nil {
			errs = append(errs, &optionError{"source", err})
		} else {
			src = opened
		}
	}
	for _, w := range wrappers(set, operator) {
		around, err := w.wrap(src)
		if err != nil {
			errs = append(errs, &optionError{w.option, err})
			continue
		}
		src = around
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, o.Close())...)
	}
	o.Source = src
	return o, nil
}

// nowhere stands for a source that is not there, and is never asked.
type nowhere struct{ source.Source }

// wrapper makes a source of a source.
type wrapper struct {
	option string // that asks for it
	wrap   func(source.Source) (source.Source, error)
}

// wrappers are what stands around the source, from the inside out: first what is
// about files as they are stored, then what decodes them, then what is about
// records.
func wrappers(set settings, operator bool) (all []wrapper) {
	add := func(given bool, option string, wrap func(source.Source) (source.Source, error)) {
		if given {
			all = append(all, wrapper{option, wrap})
		}
	}
	runs := !operator
	add(set.Mirror != "" && runs, "mirror", func(src source.Source) (source.Source, error) {
		return mirror.New(src, set.Mirror)
	})
	add(set.NameTime != "", "name-time", func(src source.Source) (source.Source, error) {
		return bytime.New(src, bytime.Config{Layout: set.NameTime, Order: byTime(set.Order)})
	})
	add(set.Compression == "auto" && runs, "compression", func(src source.Source) (source.Source, error) {
		return decompress.New(src, decompress.Config{})
	})
	add(len(set.CSV) > 0 && runs, "csv", func(src source.Source) (source.Source, error) {
		return csv.New(src, csvConfig(set))
	})
	add(len(set.Parquet) > 0 && runs, "parquet", func(src source.Source) (source.Source, error) {
		return parquet.New(src, parquetConfig(set))
	})
	add(set.Marker != "", "marker", func(src source.Source) (source.Source, error) {
		return awaitMarkers(src, set)
	})
	add(set.Sort != nil && runs, "sort", func(src source.Source) (source.Source, error) {
		return sorted.New(src, sortedConfig(set))
	})
	return all
}

// byTime is the order among times: any is as good where none is asked for.
func byTime(order string) bytime.Order {
	if order == "newest" {
		return bytime.NewestFirst
	}
	return bytime.OldestFirst
}

// open opens the source itself. stat says that sizes and times are wanted.
func (o *origin) open(ctx context.Context, set settings, stat bool) (source.Source, error) {
	kind := kindOf(set.Source)
	switch kind {
	case kindBucket:
		return openBucket(ctx, set)
	case kindGoogle:
		return o.openGoogle(ctx, set)
	case kindFolder, kindWeb:
	}
	var skip, past func(string) bool
	if set.Partitions != "" {
		folders, err := bytime.NewFolders(bytime.FoldersConfig{Layout: set.Partitions, Horizon: set.Horizon})
		if err != nil {
			return nil, err
		}
		o.folders, skip, past = folders, folders.Skip, folders.Past
	}
	if kind == kindWeb {
		if set.Order == "name" {
			return nil, errors.New("a web server lists files in its own order: --order name is for folders and s3://")
		}
		s, err := web.New(set.Source, web.Config{
			Token: os.Getenv(httpToken), Header: set.Header,
			Ignore: set.Ignore, IncludeHidden: set.IncludeHidden, Flat: set.Flat, MinAge: set.MinAge,
			SkipFolder: skip, PastFolder: past,
		})
		if err != nil {
			return nil, err
		}
		o.close = s.Close
		return s, nil
	}
	cfg := dir.Config{
		Stat: stat, Settle: settleTime(set.Settle), Poll: set.Poll,
		Ignore: set.Ignore, IncludeHidden: set.IncludeHidden, Flat: set.Flat, MinAge: set.MinAge,
		SkipFolder: skip, PastFolder: past,
	}
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
	return s3.New(s3.NewClient(aws), s3.Config{
		Bucket: bucket, Prefix: prefix,
		Ignore: set.Ignore, IncludeHidden: set.IncludeHidden, Flat: set.Flat, MinAge: set.MinAge,
		Partitions: s3.Partitions{Layout: set.Partitions, LookBack: set.Horizon},
		Growing:    s3.Growing{On: set.KeysGrow},
	})
}

// openFolder opens the folder at a path or file:// URL, and returns its absolute
// path as well.
func openFolder(location string, cfg dir.Config) (*dir.Source, string, error) {
	path, local, err := localPath(location)
	switch {
	case err != nil:
		return nil, "", err
	case !local:
		return nil, "", fmt.Errorf("%s: only paths, file://, http(s)://, s3:// and gs:// are known", location)
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
