package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Event is what S3 tells of one object. Events come at least once, seconds to
// minutes late, in any order, and sometimes not at all: listing is what nothing
// escapes. See the S3 user guide, "Event message structure".
type Event struct {
	// Bucket is the name of the bucket.
	Bucket string
	// Object has the name of the object in the bucket for its Key, and its ETag
	// for its Version. Size is -1, and Version empty, where the event does not
	// say, as after a deletion. ModTime is not known.
	// [Source.ObjectOf] returns the object as a source lists it.
	Object source.Object
	// VersionID is that of a versioned bucket, or empty.
	VersionID string
	// Name is what happened, such as "ObjectCreated:Put". EventBridge says less:
	// "Object Created".
	Name string
	// Time is when it happened, by S3's clock.
	Time time.Time
	// Sequencer orders the events of one object: the later is the greater as a
	// hexadecimal number, the shorter padded with zeros at its end. It may be
	// empty.
	Sequencer string
}

// Created reports whether the object was created or replaced, in whichever way:
// uploaded at once or in parts, copied or posted.
func (e Event) Created() bool {
	return strings.HasPrefix(e.Name, "ObjectCreated:") || e.Name == "Object Created"
}

// Removed reports whether the object was deleted or hidden by a delete marker.
func (e Event) Removed() bool {
	return strings.HasPrefix(e.Name, "ObjectRemoved:") || strings.HasPrefix(e.Name, "LifecycleExpiration:") || e.Name == "Object Deleted"
}

// ObjectOf returns the object of an event as s lists it, and whether it does:
// not if the event is not of a creation, or not of an object that s would list.
func (s *Source) ObjectOf(e Event) (source.Object, bool) {
	if !e.Created() || e.Bucket != s.cfg.Bucket {
		return source.Object{}, false
	}
	key, ok := s.newFilter(time.Now()).key(e.Object.Key)
	if !ok {
		return source.Object{}, false
	}
	o := e.Object
	o.Key = key
	if s.cfg.VersionIDs {
		o.Version = e.VersionID
	}
	return o, true
}

// ParseEvents returns the events in a message, in their order. It knows each way
// in which they arrive: from S3 itself, in messages of SQS as a Lambda function
// gets them, through SNS (raw or not, to SQS or to Lambda), from EventBridge,
// and any of these in the body of an SQS message. The message that S3 sends to
// try a new configuration out (s3:TestEvent) holds no event.
//
// What is not an event of S3, or not in whole, is an error marked fault.Corrupt;
// no events are returned with it.
func ParseEvents(data []byte) ([]Event, error) {
	events, err := parseEvents(data, maxWrapped)
	if err != nil {
		return nil, fault.Corrupt(fmt.Errorf("s3: parse event: %w", err))
	}
	return events, nil
}

// maxWrapped is how many messages may be in each other: EventBridge in SNS in
// SQS in a Lambda event makes three.
const maxWrapped = 4

// message is whatever holds events. The names of its fields tell what it is.
type message struct {
	Records []record // S3, or Lambda's from SQS or SNS

	Type    string // SNS
	Message *string

	Event   string // s3:TestEvent
	Service string

	DetailType string `json:"detail-type"` // EventBridge
	Source     string
	Time       time.Time
	Detail     *struct {
		Bucket struct{ Name string }
		Object struct {
			Key, ETag, Sequencer string
			Size                 *int64
			VersionID            string `json:"version-id"`
		}
	}
}

type record struct {
	EventSource  string
	EventVersion string
	EventTime    time.Time
	EventName    string
	S3           *struct {
		Bucket struct{ Name string }
		Object struct {
			Key, ETag, VersionID, Sequencer string
			Size                            *int64
		}
	}

	Body *string                   // of an SQS message
	SNS  *struct{ Message string } // of an SNS message
}

var errNoEvent = errors.New("it is none of S3")

func parseEvents(data []byte, depth int) ([]Event, error) {
	if depth == 0 {
		return nil, fmt.Errorf("more than %d messages in each other: %w", maxWrapped, errNoEvent)
	}
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w, which is JSON", errNoEvent) // the cause would quote the message
	}
	switch {
	case m.Records != nil:
		return m.records(depth)
	case m.Type == "Notification" && m.Message != nil:
		return parseEvents([]byte(*m.Message), depth-1)
	case m.Event == "s3:TestEvent" && m.Service == "Amazon S3":
		return nil, nil
	case m.Source == "aws.s3" && m.Detail != nil:
		e, err := m.bridged()
		if err != nil {
			return nil, err
		}
		return []Event{e}, nil
	}
	return nil, errNoEvent
}

func (m *message) records(depth int) ([]Event, error) {
	events := make([]Event, 0, len(m.Records))
	for i := range m.Records {
		r := &m.Records[i]
		var some []Event
		var err error
		switch {
		case r.S3 != nil && strings.HasSuffix(r.EventSource, ":s3"): // aws, or who is compatible
			some = make([]Event, 1)
			some[0], err = r.event()
		case r.EventSource == "aws:sqs" && r.Body != nil:
			some, err = parseEvents([]byte(*r.Body), depth-1)
		case r.EventSource == "aws:sns" && r.SNS != nil:
			some, err = parseEvents([]byte(r.SNS.Message), depth-1)
		default:
			err = errNoEvent
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		events = append(events, some...)
	}
	return events, nil
}

// event returns the event of a record, where names are encoded as in a form.
func (r *record) event() (Event, error) {
	if major, _, _ := strings.Cut(r.EventVersion, "."); major != "2" {
		return Event{}, errors.New("its version is not 2")
	}
	name, err := url.QueryUnescape(r.S3.Object.Key)
	if err != nil {
		return Event{}, errors.New("the name of the object is not encoded")
	}
	return Event{
		Bucket:    r.S3.Bucket.Name,
		Object:    source.Object{Key: name, Version: bare(r.S3.Object.ETag), Size: sizeOf(r.S3.Object.Size)},
		VersionID: r.S3.Object.VersionID,
		Name:      strings.TrimPrefix(r.EventName, "s3:"),
		Time:      r.EventTime,
		Sequencer: r.S3.Object.Sequencer,
	}.checked()
}

// bridged returns the event of an EventBridge message, where names stand as they
// are.
func (m *message) bridged() (Event, error) {
	o := &m.Detail.Object
	return Event{
		Bucket:    m.Detail.Bucket.Name,
		Object:    source.Object{Key: o.Key, Version: bare(o.ETag), Size: sizeOf(o.Size)},
		VersionID: o.VersionID,
		Name:      m.DetailType,
		Time:      m.Time,
		Sequencer: o.Sequencer,
	}.checked()
}

// checked returns an event that says what each has to.
func (e Event) checked() (Event, error) {
	var missing []string
	for _, f := range []struct{ name, value string }{{"bucket", e.Bucket}, {"object", e.Object.Key}, {"event", e.Name}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	switch {
	case len(missing) > 0:
		return Event{}, fmt.Errorf("it does not name the %s", strings.Join(missing, ", "))
	case e.Object.Size < -1:
		return Event{}, errors.New("the size is negative")
	}
	return e, nil
}
