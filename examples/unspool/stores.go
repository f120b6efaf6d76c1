package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/unspool-go/unspool/processor/s3store"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source/s3"
)

// openStores makes s3:// and gs:// known as places for files, and sqs:// as one for single
// records, where one of them is such a place. What was opened is closed by the function
// that is returned, also after an error.
func openStores(ctx context.Context, urls ...string) (func() error, error) {
	some := func(scheme string) bool {
		return slices.ContainsFunc(urls, func(url string) bool { return strings.HasPrefix(url, scheme+"://") })
	}
	closeAll := func() error { return nil }
	var errs []error
	if some("s3") {
		cfg, err := awsSettings(ctx)
		if err == nil {
			err = s3store.Register(s3.NewClient(cfg), s3store.Config{})
		}
		errs = append(errs, err)
	}
	if some(sqsstore.Scheme) {
		cfg, err := awsSettings(ctx)
		if err == nil {
			err = sqsstore.Register(sqs.NewClient(cfg), sqsstore.Config{})
		}
		errs = append(errs, err)
	}
	if some("gs") {
		closeGoogle, err := openGoogleStore(ctx)
		if err == nil {
			closeAll = closeGoogle
		}
		errs = append(errs, err)
	}
	return closeAll, errors.Join(errs...)
}

// stores are the places for files that the settings name.
func (s *settings) stores() []string { return []string{s.Retry, s.Failed, s.Corruption, s.Mirror} }
