// Package dynamodbtest is a strict stand-in for Amazon DynamoDB and DynamoDB
// Streams that runs in the test's own process. It speaks the real protocol (AWS
// JSON 1.0 over HTTP on a loopback port), so that the code under test uses the
// real SDK clients, from the same process or from another:
//
//	srv := dynamodbtest.Start(t, dynamodbtest.Config{})
//	err := srv.AddTable("orders", dynamodbtest.TableConfig{PartitionKey: "id", Stream: "NEW_IMAGE"})
//	client := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(srv.URL()), ...})
//	changes := dynamodbstreams.New(dynamodbstreams.Options{BaseEndpoint: aws.String(srv.URL()), ...})
package dynamodbtest
