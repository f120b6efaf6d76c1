package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/unspool-go/unspool/claim"
)

// The stations of a transaction. Each queue has one of dead letters, which is named
// as it with "-dead" behind.
const (
	queueTransactions = "transactions" // clean, to be stored
	queueChanges      = "changes"      // of the table, which the stream's reader could not pass on
	queueStored       = "stored"       // to be worked on
	queueFinished     = "finished"     // results, to be added to what is stored
	tableName         = "transactions"
)

var queueNames = []string{queueTransactions, queueChanges, queueStored, queueFinished}

func deadLetters(queue string) string { return queue + "-dead" }

// attempts is how often a record, or a message, is tried until it is a dead letter.
const attempts = 3

// chain is what the stages work with. A process runs all of them, or some.
type chain struct {
	queues  *awssqs.Client
	table   *awsdynamodb.Client
	items   *awsdynamodb.Client // the same, for what is written by the stages
	streams *dynamodbstreams.Client
	claims  claim.Claimer // of files, and of the shards of the stream
	work    work
	log     *zap.Logger // a line for each stage in the end, and errors

	// visibility is how long it takes until another consumer goes on where one has died.
	visibility time.Duration
}

// create creates the queues and the table, where they are not there already.
func (c *chain) create(ctx context.Context) error {
	for _, name := range queueNames {
		if err := c.createQueue(ctx, name); err != nil {
			return fmt.Errorf("create queue %s: %w", name, err)
		}
	}
	_, err := c.table.CreateTable(ctx, &awsdynamodb.CreateTableInput{
		TableName:            awssdk.String(tableName),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: awssdk.String("transaction_id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: awssdk.String("transaction_id"), KeyType: types.KeyTypeHash}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: awssdk.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	})
	if _, exists := errors.AsType[*types.ResourceInUseException](err); err != nil && !exists {
		return fmt.Errorf("create table %s: %w", tableName, err)
	}
	waiter := awsdynamodb.NewTableExistsWaiter(c.table)
	return waiter.Wait(ctx, &awsdynamodb.DescribeTableInput{TableName: awssdk.String(tableName)}, time.Minute)
}

// createQueue creates a queue and that of its dead letters.
func (c *chain) createQueue(ctx context.Context, name string) error {
	dead, err := c.queues.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: awssdk.String(deadLetters(name))})
	if err != nil {
		return err
	}
	out, err := c.queues.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: dead.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return err
	}
	policy, err := json.Marshal(map[string]any{
		"deadLetterTargetArn": out.Attributes[string(sqstypes.QueueAttributeNameQueueArn)], "maxReceiveCount": attempts,
	})
	if err != nil {
		return err
	}
	_, err = c.queues.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: awssdk.String(name), Attributes: map[string]string{
		string(sqstypes.QueueAttributeNameRedrivePolicy):     string(policy),
		string(sqstypes.QueueAttributeNameVisibilityTimeout): strconv.Itoa(int(c.visibility.Seconds())),
	}})
	return err
}
