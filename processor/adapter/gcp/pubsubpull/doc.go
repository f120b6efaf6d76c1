// Package pubsubpull takes messages from a subscription of Pub/Sub and hands them
// to the handlers of package gcp, where there is no Cloud Run or Cloud Functions.
//
//	messages, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{Service: service}})
//	...
//	puller, err := pubsubpull.New(client, "projects/p/subscriptions/s", pubsubpull.Config{Handle: messages.HandleMessage})
//	...
//	err = puller.Run(ctx)
//
// # What is acknowledged
//
// A message is acknowledged when its handler returns nil, and not before; any
// other is given back, to be delivered again. While a message is worked on the
// client extends its lease, up to Config.Timeout. Pub/Sub delivers at least once:
// with exactly-once delivery switched on for the subscription, it delivers nothing
// again whose acknowledgement has arrived.
//
// A message that is never settled is delivered for ever, unless the subscription
// has a dead-letter topic.
//
// # What the client leaves behind
//
// The client, as of v2.8.1, leaves one small goroutine of each Run behind that has
// nothing left to do.
package pubsubpull
