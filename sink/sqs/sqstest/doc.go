// Package sqstest is a strict stand-in for Amazon SQS that runs in the test's
// own process. It speaks the real protocol (AWS JSON 1.0 over HTTP on a
// loopback port), so that the code under test uses the real SDK client, from
// the same process or from another:
//
//	srv := sqstest.Start(t, sqstest.Config{})
//	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
//	client := sqs.New(sqs.Options{BaseEndpoint: aws.String(srv.URL()), ...})
//
// It refuses what AWS refuses, with the same codes in the same place: of the
// whole call or in Failed of a batch. It is never laxer than the documentation
// of SQS; where the documentation is stricter than the service it keeps to the
// documentation. Where the documentation is silent, recorded answers of AWS
// decide; parity_test.go compares it with two other emulators.
//
// [Server.Inject] makes it throttle, fail, stall or lose responses,
// [Server.Outage] makes it unreachable, and [Server.Advance] moves its clock, so
// that tests of visibility, delay and deduplication need no sleeps.
package sqstest
