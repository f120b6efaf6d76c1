package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/storeclock"
	"github.com/unspool-go/unspool/processor/fault"
)

// API is what the store uses of the SDK's client, *dynamodb.Client.
type API interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

const (
	// DefaultParallel is how many requests of one call are under way at a time
	// where [Config] does not say.
	DefaultParallel = 64
	// DefaultKeep is how long an unfinished key is remembered where [Config]
	// does not say.
	DefaultKeep = 30 * 24 * time.Hour
)

// Config configures a [Store].
type Config struct {
	// Table is the name or ARN of the table. Required.
	Table string
	// Parallel is how many requests of one call are under way at a time. The
	// client should keep as many connections: see [NewClient]. Defaults to
	// [DefaultParallel].
	Parallel int
	// Keep is how long after the end of its last lease a key is remembered that
	// was never finished, with its attempts and its progress. A lease is never
	// cut short by it. Defaults to [DefaultKeep].
	Keep time.Duration
	// KeepFinished is how long a finished key is remembered. One that is still
	// listed by a source after that is processed again. Defaults to 0: until
	// [Store.Forget].
	KeepFinished time.Duration
}

// Store is a claim store in a DynamoDB table. It is safe for concurrent use,
// holds nothing that has to be closed, and may share its table and its client
// with other stores.
type Store struct {
	api          API
	table        string
	parallel     int
	keep         time.Duration
	keepFinished time.Duration
	clock        *storeclock.Clock

	// wroteInVain says that of the last call's keys so many could not be had
	// that reading them first would have been cheaper.
	wroteInVain atomic.Bool
}

var (
	_ claim.Claimer   = (*Store)(nil)
	_ claim.Inspector = (*Store)(nil)
	_ API             = (*dynamodb.Client)(nil)
)

// New returns a store in a table that exists. It sends nothing. Every mistake
// in cfg is named in the error.
func New(api API, cfg Config) (*Store, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if cfg.Table == "" {
		errs = append(errs, errors.New("Table is empty"))
	}
	if cfg.Parallel < 0 {
		errs = append(errs, fmt.Errorf("Parallel is %d: want more than 0", cfg.Parallel))
	}
	if cfg.Keep < 0 {
		errs = append(errs, fmt.Errorf("Keep is %v: want more than 0", cfg.Keep))
	}
	if cfg.KeepFinished < 0 {
		errs = append(errs, fmt.Errorf("KeepFinished is %v: want 0 or more", cfg.KeepFinished))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure DynamoDB claims: %w", errors.Join(errs...)))
	}
	s := &Store{
		api:          api,
		table:        cfg.Table,
		parallel:     cfg.Parallel,
		keep:         cfg.Keep,
		keepFinished: cfg.KeepFinished,
		clock:        storeclock.New(time.Now),
	}
	if s.parallel == 0 {
		s.parallel = DefaultParallel
	}
	if s.keep == 0 {
		s.keep = DefaultKeep
	}
	// The first call of a process is likely to meet what the last one did; and
	// its read sets the clock.
	s.wroteInVain.Store(true)
	return s, nil
}
