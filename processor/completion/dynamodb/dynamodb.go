// Package dynamodb keeps what is known of sets in a DynamoDB table, for any number of
// monitors and observers, without a server of one's own.
//
// # How it works
//
// A set is one item with its count and status; each arrival is one more, which is
// there to be known. An arrival is put on condition that it is new, in one
// transaction with the count: an ADD alone would count again whatever is told of, or
// sent, again. A transaction takes up to 99 arrivals; of those that make it fail
// because they are known, it is repeated without. All reads are consistent.
//
// # Cost
//
// An arrival costs 2 write units, and so does a transaction for the count of the set:
// let monitors have events in batches. A transaction that meets known arrivals costs
// the same again. The item of a set takes 1,000 writes a second, of which a
// transaction is two; transactions of one set that collide are repeated. A look costs
// 1 read unit or two, a decision 1 write unit, a key of a manifest 1 read unit.
//
// Items take some 100 bytes and the lengths of set and key. DynamoDB's time to live
// removes them: see [Config.Keep].
//
// # Permissions
//
//	dynamodb:BatchGetItem
//	dynamodb:GetItem
//	dynamodb:PutItem
//	dynamodb:UpdateItem
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	claimtable "github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// API is what the store uses of the SDK's client, *dynamodb.Client. The SDK's own
// retries may be on: whatever a Store sends may be repeated.
type API interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

// Config configures a [Store].
type Config struct {
	// Table is the name or ARN of the table. Required.
	Table string
	// Keep is how long an arrival is remembered, and a set after something has last
	// happened to it. It must be longer than an event may be late or come again,
	// which SQS alone may keep for 14 days, and than the MaxAge of the policy. Defaults
	// to [DefaultKeep].
	Keep time.Duration
}

// DefaultKeep is how long things are remembered where [Config] does not say.
const DefaultKeep = 30 * 24 * time.Hour

// Store is a store in a DynamoDB table. It is safe for concurrent use, and holds
// nothing that has to be closed.
type Store struct {
	api   API
	table string
	keep  time.Duration
}

var (
	_ completion.Store = (*Store)(nil)
	_ API              = (*dynamodb.Client)(nil)
)

// New returns a store in a table that exists. It sends nothing. Every mistake is named
// in the error.
func New(api API, cfg Config) (*Store, error) {
	s := &Store{api, cfg.Table, cfg.Keep}
	if s.keep == 0 {
		s.keep = DefaultKeep
	}
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if cfg.Table == "" {
		errs = append(errs, errors.New("Table is empty"))
	}
	if cfg.Keep < 0 {
		errs = append(errs, fmt.Errorf("Keep is %v: want more than 0", cfg.Keep))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure completion in DynamoDB: %w", errors.Join(errs...)))
	}
	return s, nil
}

// CreateTable creates the table of a store on demand, waits until it is active, and
// turns its time to live on. It may be repeated. It is a table like those of claims,
// but must not be one: each wants its own.
func CreateTable(ctx context.Context, api claimtable.TableAPI, table string) error {
	return claimtable.CreateTable(ctx, api, table)
}

// Actions are the IAM actions on the table that a monitor or an observer needs.
func Actions() []string {
	return []string{"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
}
