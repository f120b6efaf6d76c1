// Package streampoll consumes a DynamoDB stream where there is no Lambda to do so:
// in a container, or as a service of its own.
package streampoll

import _ "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
