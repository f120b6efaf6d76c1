//go:build gs

package main

import (
	"context"
	"fmt"

	"cloud.google.com/go/storage"

	"github.com/unspool-go/unspool/processor/gsstore"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs"
)

// googleClient makes a client with the settings of the environment. What they
// lack is the user's mistake.
func googleClient(ctx context.Context) (*storage.Client, error) {
	client, err := storage.NewClient(ctx)
	if err != nil {
		return nil, usage([]error{fmt.Errorf("settings of the environment for Google Cloud: %w", err)})
	}
	return client, nil
}

// openGoogle opens a gs:// source.
func (o *origin) openGoogle(ctx context.Context, set settings) (source.Source, error) {
	bucket, prefix, ok := inBucket("gs", set.Source)
	if !ok {
		return nil, fmt.Errorf("%q is no gs://BUCKET/PREFIX", set.Source)
	}
	client, err := googleClient(ctx)
	if err != nil {
		return nil, err
	}
	o.close = client.Close
	return gs.New(client, gs.Config{
		Bucket: bucket, Prefix: prefix,
		Ignore: set.Ignore, IncludeHidden: set.IncludeHidden, Flat: set.Flat, MinAge: set.MinAge,
	})
}

// openGoogleStore makes gs:// known as a place for files, until the client is
// closed by the function that is returned.
func openGoogleStore(ctx context.Context) (func() error, error) {
	client, err := googleClient(ctx)
	if err != nil {
		return nil, err
	}
	if err := gsstore.Register(client, gsstore.Config{}); err != nil {
		_ = client.Close() // it was not used
		return nil, err
	}
	return client.Close, nil
}
