package setup

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/zap"

	claims "github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
	"github.com/unspool-go/unspool/processor/completion/dynamodb"
)

// Sets is the store of what is known of sets, in the DynamoDB table that TABLE names.
func (p Parts) Sets() completion.Store {
	table := p.Need("TABLE")
	if table == "" {
		return nil
	}
	store, err := dynamodb.New(claims.NewClient(p.aws), dynamodb.Config{Table: table})
	if err != nil {
		p.wrong("TABLE", err)
		return nil
	}
	return store
}

// Observers is the queue by which observers wake themselves, whose URL OBSERVERS is. It
// is unusable where that is wrong.
func (p Parts) Observers() *aws.Queue {
	url := p.Need("OBSERVERS")
	if url == "" {
		return nil
	}
	queue, err := aws.NewQueue(sqs.NewFromConfig(p.aws), url)
	if err != nil {
		p.wrong("OBSERVERS", err)
	}
	return queue
}

// Late is what becomes of arrivals after completion: each is told of in the log, and
// reopens its set if LATE is "reopen".
func (p Parts) Late(logger *zap.Logger) completion.LatePolicy {
	late := p.Get("LATE")
	if late != "" && late != "reopen" {
		p.wrong("LATE", fmt.Errorf("%q is not reopen", late))
	}
	return completion.LatePolicy{
		Reopen: late == "reopen",
		Tell: func(_ context.Context, l completion.Late) error {
			logger.Warn("late", zap.String("completion", l.ID()), zap.Int64("objects", l.Added.Objects), zap.Bool("reopens", l.Reopens))
			return nil
		},
	}
}
