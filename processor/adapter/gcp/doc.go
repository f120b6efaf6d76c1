// Package gcp turns events of Google Cloud into requests to a
// [processor.Service], and answers so that the platform delivers again exactly
// what was not settled. It needs no client of Google Cloud and no functions
// framework.
//
//	objects, err := gcp.NewObjects(gcp.ObjectsConfig{Config: gcp.Config{Service: service, Timeout: time.Minute}, Source: files})
//	...
//	http.ListenAndServe(":"+os.Getenv("PORT"), objects)
//
// There is a handler for each kind of event: [Objects] for events of Cloud
// Storage however they arrive, and [Messages] for messages of Pub/Sub. Each is an
// [http.Handler] for Cloud Run, Cloud Functions and push subscriptions; has a
// method for functions that are handed the event (HandleEvent, HandleMessage); and
// is what package pubsubpull, a subscriber that stands alone, hands messages to.
//
// # What is settled
//
// A request is settled when Do says so: its records were processed, or are in a
// destination. That includes a request which the deadline struck in its middle: Do
// has put the rest in the retry destination, or noted it there, but for an object that
// is claimed (see below). An input that Do
// could not settle, and one that panicked, is given back. So each event is either
// with the platform or with the destinations, and never with both.
//
// # Answers
//
// What is settled is answered by 204. Anything else is delivered again by Pub/Sub
// and Eventarc: 500, or 503 where a service is away or the time was up, and 400,
// 413 or 415 for what is no event. What cannot be read is delivered again until it
// is in the dead-letter topic: configure one, with some ten attempts. A function
// of the first generation is delivered to again only if it was deployed to be
// (--retry).
//
// # Deadlines
//
// A request over HTTP has none that the handler could know: Config.Timeout is it.
// Make it shorter than the acknowledgement deadline of the push subscription, and
// than the request timeout of the service: past either of them the event is
// delivered again while the first delivery is still worked on.
//
// # Once
//
// With ObjectsConfig.Claim a request takes the claim of its object, as Run does with
// what it lists: a handler of events and a schedule share a prefix, and each object is
// done once, whoever meets it first. What the deadline strikes is then given back with
// what was done of it, and its event comes again.
//
// Without claims an object that a handler has settled is processed again by a Run over
// the same prefix, and by a second event, which Cloud Storage may send: let one of them
// work on a prefix, or give records an id (see [processor.Config.RecordID]) by which
// their consumer drops what comes twice. Messages have no claims.
//
// # Who may call
//
// The handlers believe whoever reaches them. Let the platform check the callers:
// deploy without unauthenticated access, and give the push subscription or the
// trigger a service account with roles/run.invoker.
package gcp
