package aws

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/aws/aws-lambda-go/events"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/processor"
)

// errTicket is the reason why a message that stands for a part of an object is not
// settled.
var errTicket = errors.New("it stands for the rest of an object, which has to be read again, and is no record")

// asideOf makes a request of a message that is a record which was put aside (see
// package sqsstore), and reports whether it is one. The record keeps its origin, its
// stage and the attempts behind it: the request is a part of a retry destination, with
// one line.
func asideOf(m *events.SQSMessage) (req *processor.Request, ok bool, err error) {
	if _, there := m.MessageAttributes[sqsletter.Class]; !there {
		return nil, false, nil
	}
	attributes := make(map[string]string, len(m.MessageAttributes))
	for name, a := range m.MessageAttributes {
		if a.StringValue != nil {
			attributes[name] = *a.StringValue
		}
	}
	e, ok := sqsletter.Read(m.Body, attributes)
	switch {
	case !ok:
		return nil, false, nil
	case e.Stage == "ticket":
		return nil, true, errTicket
	}
	e.Attempt = attemptsOf(m)
	unique := sha256.Sum256([]byte(m.MessageId))
	name := destination.Name("", 0, hex.EncodeToString(unique[:16]))
	return processor.NewRequest(bytes.NewReader(e.Append(nil)), nil, urlOf(m)+name), true, nil
}
