package gsstore

import (
	"errors"
	"fmt"
	"strings"
)

// location is a place in a bucket.
type location struct {
	scheme, bucket, key string // a key that is empty or ends in a slash is a folder's
}

// locate takes a URL apart.
func locate(url string) (location, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	bucket, key, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return location{}, fmt.Errorf("url %q: want %s://bucket/key", url, Scheme)
	}
	return location{scheme, bucket, key}, nil
}

// locateObject is locate for what must be an object.
func locateObject(url string) (location, error) {
	l, err := locate(url)
	if err == nil && (l.key == "" || strings.HasSuffix(l.key, "/")) {
		err = fmt.Errorf("url %q: %w", url, errFolder)
	}
	return l, err
}

var errFolder = errors.New("names a folder, not an object")

func (l location) String() string { return l.scheme + "://" + l.bucket + "/" + l.key }

// folder is the prefix of the keys below l.
func (l location) folder() string {
	if l.key == "" || strings.HasSuffix(l.key, "/") {
		return l.key
	}
	return l.key + "/"
}

// at is another key in the bucket.
func (l location) at(key string) location {
	l.key = key
	return l
}
