// Package aws counts what S3 tells of for a [completion.Monitor], and drives a
// [completion.Observer] by delayed messages of SQS. Both are handlers of AWS Lambda,
// and of package sqspoll where there is no Lambda:
//
//	monitor, err := aws.NewMonitor(aws.MonitorConfig{Monitor: m, SetOf: aws.Folders("out/", 1)})
//	...
//	lambda.Start(monitor.Handle)
//
// # Permissions
//
// Beside those of the store, a driver, and a monitor that starts one, need
//
//	sqs:SendMessage
//
// on the queue of the driver, whose own messages Lambda receives and deletes.
package aws
