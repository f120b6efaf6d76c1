package sqs

import (
	"context"
	"slices"
	"strconv"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// SizeAttribute is the number attribute by which consumers that use the AWS
// Extended Client Library recognise a pointer; it holds the size of the body
// that was stored.
const SizeAttribute = "ExtendedPayloadSize"

// maxAttributes is how many attributes SQS takes with a message.
const maxAttributes = 10

// Offload implements [sink.Offloader] with the Store of the Config.
func (s *Sink) Offload(ctx context.Context, m sink.Message) (pointer sink.Message, ok bool, err error) {
	if s.cfg.Offload == nil {
		return sink.Message{}, false, nil
	}
	if len(m.Attributes) >= maxAttributes {
		return sink.Message{}, true, fault.Corruptf("sqs: offload message %s: no room for the attribute %s beside %d others", m.ID, SizeAttribute, len(m.Attributes))
	}
	body, err := s.cfg.Offload.Store(ctx, m.ID, m.Body)
	if err != nil {
		return sink.Message{}, true, err
	}
	pointer = m
	pointer.Body = body
	pointer.Attributes = append(slices.Clip(m.Attributes), sink.Attribute{Name: SizeAttribute, Type: "Number", Value: strconv.Itoa(len(m.Body))})
	return pointer, true, nil
}
