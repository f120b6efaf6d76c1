package main

import (
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/sink/sqs"
)

// uploads is the folder of CSV files.
const uploads = "uploads"

// settings are those of a stand-in; config.LoadDefaultConfig makes those of AWS.
func settings(endpoint string) awssdk.Config {
	return awssdk.Config{
		Region: "us-east-1", BaseEndpoint: awssdk.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("transactions", "not-a-secret", ""),
	}
}

// queueClient returns a client of the queues.
func queueClient(endpoint string) *awssqs.Client {
	return sqs.NewClient(settings(endpoint), sqs.WithFastBody)
}
