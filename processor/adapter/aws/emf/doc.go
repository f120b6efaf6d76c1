// Package emf writes the summary line of a call in the embedded metric format of
// CloudWatch, so that the one line of an invocation in the log is its metrics as
// well: CloudWatch Logs makes metrics of what a Lambda function writes to its
// standard output in this form, without a request of its own.
//
//	metrics, err := emf.New(os.Stdout, emf.Config{Function: os.Getenv("AWS_LAMBDA_FUNCTION_NAME")})
//	...
//	report, err := service.Run(ctx)
//	err = errors.Join(err, metrics.Run(report))
//
// A line holds everything that the report holds. What of it is a metric is listed
// in this package, for each kind of report; the rest can be searched for in the
// log. The names of metrics are constants, for alarms to be tested against.
//
// # Cost
//
// CloudWatch bills each metric of each function by the month, about 0.30 dollars.
// Config.Only limits them.
//
// See the CloudWatch user guide, "Specification: Embedded metric format".
package emf
