package main

import (
	"context"
	"strings"

	"github.com/unspool-go/unspool/processor/s3store"
	"github.com/unspool-go/unspool/source/s3"
)

// openStores makes s3:// known as a place for what cannot be delivered, where
// one of them is there.
func openStores(ctx context.Context, set settings) error {
	for _, url := range []string{set.Retry, set.Failed, set.Corruption} {
		if !strings.HasPrefix(url, "s3://") {
			continue
		}
		cfg, err := awsSettings(ctx)
		if err != nil {
			return err
		}
		return s3store.Register(s3.NewClient(cfg), s3store.Config{})
	}
	return nil
}
