package gsevent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Event is what Cloud Storage tells of one object.
type Event struct {
	// Type says what happened, as the event has it: "OBJECT_FINALIZE" in Pub/Sub,
	// "google.cloud.storage.object.v1.finalized" from Eventarc,
	// "google.storage.object.finalize" for a function of the first generation. It
	// is empty where the function gets the data alone.
	Type string
	// Bucket is the name of the bucket.
	Bucket string
	// Object has the name of the object in the bucket for its Key, and its
	// generation for its Version. Size is -1, and ModTime zero, where the event
	// does not say, as one without a payload. A source returns the object as it
	// lists it (see ObjectOf of source/gs).
	Object source.Object
	// Time is when it happened, or zero where the event does not say.
	Time time.Time
}

// Created reports whether the object was created or replaced. An event without a
// type is taken for one: a function of the first generation is deployed for one
// type, and is not told which.
func (e Event) Created() bool {
	switch e.Type {
	case "", "OBJECT_FINALIZE", "google.storage.object.finalize", "google.cloud.storage.object.v1.finalized":
		return true
	}
	return false
}

// Generation is the generation of the object as a number, or 0 if there is none.
func (e Event) Generation() int64 {
	n, err := strconv.ParseInt(e.Object.Version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// IsType reports whether a type of an event, or of a CloudEvent, is one of Cloud
// Storage.
func IsType(kind string) bool {
	return strings.HasPrefix(kind, "OBJECT_") || strings.HasPrefix(kind, "google.storage.object.") ||
		strings.HasPrefix(kind, "google.cloud.storage.object.v1.")
}

// Parse reads the data of an event of a type, which may be empty: the resource of
// an object, as the JSON API has it. What is none is an error marked
// fault.Corrupt.
func Parse(kind string, data []byte) (Event, error) {
	var r resource
	if err := json.Unmarshal(data, &r); err != nil {
		return Event{}, corrupt(errors.New("it is no resource of an object")) // the cause would quote it
	}
	return r.event(kind)
}

// UnmarshalJSON implements [json.Unmarshaler], for functions of the first
// generation that take an Event: it is [Parse] without a type.
func (e *Event) UnmarshalJSON(data []byte) error {
	parsed, err := Parse("", data)
	if err == nil {
		*e = parsed
	}
	return err
}

// resource is what is read of the resource of an object. Numbers of 64 bits are
// texts there, but some who pass events on make numbers of them. See "Objects" in the
// reference of the JSON API.
type resource struct {
	Bucket      string
	Name        string
	Generation  json.Number
	Size        *json.Number
	TimeCreated time.Time
	Updated     time.Time
}

func (r *resource) event(kind string) (Event, error) {
	e := Event{
		Type: kind, Bucket: r.Bucket, Time: r.Updated,
		Object: source.Object{Key: r.Name, Version: r.Generation.String(), Size: -1, ModTime: r.TimeCreated.UTC()},
	}
	if r.Size != nil {
		n, err := r.Size.Int64()
		if err != nil || n < 0 {
			return Event{}, corrupt(errors.New("the size is no number"))
		}
		e.Object.Size = n
	}
	return e.checked()
}

// FromAttributes reads a notification in Pub/Sub from the attributes of its
// message, and from its data where the notification was configured to have some
// (JSON_API_V1). ok is false if the message is no notification. See "Pub/Sub
// notifications for Cloud Storage".
func FromAttributes(attributes map[string]string, data []byte) (e Event, ok bool, err error) {
	kind, bucket, name := attributes["eventType"], attributes["bucketId"], attributes["objectId"]
	if !strings.HasPrefix(kind, "OBJECT_") || bucket == "" || name == "" {
		return Event{}, false, nil
	}
	e = Event{Type: kind, Bucket: bucket, Object: source.Object{Key: name, Version: attributes["objectGeneration"], Size: -1}}
	if attributes["payloadFormat"] == "JSON_API_V1" && len(data) > 0 {
		told, err := Parse(kind, data)
		if err != nil {
			return Event{}, true, err
		}
		if told.Bucket != e.Bucket || told.Object.Key != e.Object.Key || told.Object.Version != e.Object.Version {
			return Event{}, true, corrupt(errors.New("its attributes and its data are of different objects"))
		}
		e = told
	}
	if text := attributes["eventTime"]; text != "" {
		if e.Time, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return Event{}, true, corrupt(errors.New("the time is none"))
		}
	}
	e, err = e.checked()
	return e, true, err
}

// checked returns an event that says what each has to.
func (e Event) checked() (Event, error) {
	var missing []string
	for _, f := range []struct{ name, value string }{{"bucket", e.Bucket}, {"object", e.Object.Key}, {"generation", e.Object.Version}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	switch {
	case len(missing) > 0:
		return Event{}, corrupt(fmt.Errorf("it does not name the %s", strings.Join(missing, ", ")))
	case e.Generation() <= 0:
		return Event{}, corrupt(errors.New("the generation is no number"))
	}
	return e, nil
}

func corrupt(err error) error { return fault.Corrupt(fmt.Errorf("gsevent: parse: %w", err)) }
