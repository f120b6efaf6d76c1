package streampoll

import (
	"context"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/processor/fault"
)

// TableAPI is what [Stream] uses of the SDK's client, *dynamodb.Client.
type TableAPI interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

var _ TableAPI = (*dynamodb.Client)(nil)

// Stream returns the ARN of the stream of a table. A table that does not exist, or has
// no stream that is enabled, is a fatal error.
func Stream(ctx context.Context, api TableAPI, table string) (string, error) {
	out, err := api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return "", fmt.Errorf("streampoll: table %s: %w", table, dynamofault.Call(ctx, "DescribeTable", err))
	}
	if t := out.Table; t != nil && t.StreamSpecification != nil && awssdk.ToBool(t.StreamSpecification.StreamEnabled) && awssdk.ToString(t.LatestStreamArn) != "" {
		return *t.LatestStreamArn, nil
	}
	return "", fault.Fatal(fmt.Errorf("streampoll: table %s has no stream that is enabled", table))
}
