// Package gcpclient is what the drivers for Google Cloud Storage have in common:
// what an error of its client means, and the reading of one generation of an
// object.
package gcpclient
