// Package gsevent reads what Google Cloud Storage tells of its objects, in each
// form in which it arrives: as a notification in Pub/Sub, as a CloudEvent of
// Eventarc, and as the event of a Cloud Function of the first generation. It does
// without a client of Google Cloud.
//
// Events come at least once, seconds late, in any order. Listing is what nothing
// escapes.
package gsevent
