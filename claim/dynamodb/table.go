package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// TableAPI is what [CreateTable] uses of the SDK's client, *dynamodb.Client.
type TableAPI interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
}

var _ TableAPI = (*dynamodb.Client)(nil)

// tablePoll is the time between two looks at a table that is being created,
// which takes some ten seconds.
const tablePoll = time.Second

// CreateTable creates the table of a [Store] on demand, waits until it is
// active, and turns its TTL on. It may be repeated, and takes a table that
// exists if it has the right key. Where it fails half-way, repeating it goes on.
func CreateTable(ctx context.Context, api TableAPI, table string) error {
	if api == nil || table == "" {
		return fault.Fatal(errors.New("dynamodb: create table: want a client and a name"))
	}
	op := "create table " + table
	_, err := api.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(attrKey), AttributeType: types.ScalarAttributeTypeB}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(attrKey), KeyType: types.KeyTypeHash}},
	})
	if _, exists := errors.AsType[*types.ResourceInUseException](err); err != nil && !exists {
		return dynamofault.Call(ctx, op, err)
	}
	if err := awaitActive(ctx, api, table); err != nil {
		return err
	}
	ttl, err := api.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		return dynamofault.Call(ctx, op, err)
	}
	if d := ttl.TimeToLiveDescription; d != nil {
		switch d.TimeToLiveStatus {
		case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
			if name := aws.ToString(d.AttributeName); name != attrTTL {
				return fault.Fatal(fmt.Errorf("dynamodb: %s: its TTL attribute is %q, want %q", op, name, attrTTL))
			}
			return nil
		default:
		}
	}
	_, err = api.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(attrTTL), Enabled: aws.Bool(true)},
	})
	if err != nil {
		return dynamofault.Call(ctx, op, err)
	}
	return nil
}

// awaitActive waits for a table, and checks its key.
func awaitActive(ctx context.Context, api TableAPI, table string) error {
	op := "create table " + table
	for {
		out, err := api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
		if _, unseen := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !unseen {
			return dynamofault.Call(ctx, op, err) // unseen: what is described is eventually consistent
		}
		if err == nil && out.Table != nil {
			switch out.Table.TableStatus {
			case types.TableStatusActive, types.TableStatusUpdating:
				return checkKey(op, out.Table)
			case types.TableStatusCreating:
			default:
				return fault.Fatal(fmt.Errorf("dynamodb: %s: it is %s", op, out.Table.TableStatus))
			}
		}
		if err := sleep.For(ctx, tablePoll); err != nil {
			return dynamofault.Call(ctx, op, err)
		}
	}
}

// checkKey refuses a table that was made for something else.
func checkKey(op string, t *types.TableDescription) error {
	if len(t.KeySchema) == 1 && aws.ToString(t.KeySchema[0].AttributeName) == attrKey {
		for _, a := range t.AttributeDefinitions {
			if aws.ToString(a.AttributeName) == attrKey && a.AttributeType == types.ScalarAttributeTypeB {
				return nil
			}
		}
	}
	return fault.Fatal(fmt.Errorf("dynamodb: %s: a table of that name has another key: want just a partition key %q of type binary", op, attrKey))
}
