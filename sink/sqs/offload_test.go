package sqs_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// shelf is a Store that keeps nothing.
type shelf struct{ err error }

func (s shelf) Store(_ context.Context, id string, _ []byte) ([]byte, error) {
	return []byte(`["pointer","` + id + `"]`), s.err
}

func TestOffloadedMessageIsSentAsAPointerWithTheSizeOfTheBody(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	url, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	s, err := sqs.New(sqs.NewClient(awsConfig(t, srv.URL())), url, sqs.Config{Offload: shelf{}})
	require.NoError(t, err)

	m := sink.Message{Body: make([]byte, 2<<20), ID: "m", Group: "g", Records: 3, Attributes: []sink.Attribute{{Name: "a", Type: "String", Value: "v"}}}
	pointer, ok, err := s.Offload(t.Context(), m)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, sink.Message{
		Body: []byte(`["pointer","m"]`), ID: "m", Group: "g", Records: 3,
		Attributes: []sink.Attribute{{Name: "a", Type: "String", Value: "v"}, {Name: "ExtendedPayloadSize", Type: "Number", Value: "2097152"}},
	}, pointer)
	require.Len(t, m.Attributes, 1)
	require.NoError(t, s.Send(t.Context(), []sink.Message{pointer}))
	require.Equal(t, sqstest.Attribute{Type: "Number", Value: "2097152"}, srv.Messages("jobs")[0].Attributes[sqs.SizeAttribute])
}

func TestOffloadWithoutAStoreOrRoomOrSuccess(t *testing.T) {
	s, err := sqs.New(fake{}, "jobs", sqs.Config{})
	require.NoError(t, err)
	_, ok, err := s.Offload(t.Context(), sink.Message{})
	require.NoError(t, err)
	require.False(t, ok)

	s, err = sqs.New(fake{}, "jobs", sqs.Config{Offload: shelf{}})
	require.NoError(t, err)
	_, _, err = s.Offload(t.Context(), sink.Message{ID: "m", Attributes: make([]sink.Attribute, 10)})
	require.Equal(t, fault.ClassCorrupt, fault.Of(err))

	away := fault.Interrupted(errors.New("away"))
	s, err = sqs.New(fake{}, "jobs", sqs.Config{Offload: shelf{away}})
	require.NoError(t, err)
	_, ok, err = s.Offload(t.Context(), sink.Message{ID: "m"})
	require.True(t, ok)
	require.ErrorIs(t, err, away)
}
