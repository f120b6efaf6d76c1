package sqsbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/processor/redrive/sqsbox"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// putAside puts records into the queue of dead letters as the processor does.
func (s *scene) putAside(records ...destination.Envelope) {
	s.Helper()
	m, err := sqsstore.New(s.client, sqsstore.Config{})
	require.NoError(s, err)
	afs.GetRegistry().Register(sqsstore.Scheme, func(...storage.Option) (storage.Manager, error) { return m, nil })
	store, err := destination.Open(destination.Config{URL: "sqs://dead"})
	require.NoError(s, err)
	part, err := store.Create(s.Context(), "in/a.csv", 0)
	require.NoError(s, err)
	for _, e := range records {
		_, err = part.Write(e.Append(nil))
		require.NoError(s, err)
	}
	_, err = part.Commit(s.Context())
	require.NoError(s, err)
}

// records are one that failed at its third attempt, one whose data is no text, one
// that was transformed, and what stands for the rest of an object.
func records() []destination.Envelope {
	e := destination.Envelope{Object: "in/a.csv", Version: "v1", Offset: 700, Attempt: 3, Class: "retryable", Reason: "no item of that key", Data: []byte(`{"id":1}`)}
	binary, output, ticket := e, e, e
	binary.Object, binary.Data = "in/b.csv", []byte("\xff\x00")
	output.Offset, output.Stage, output.Index, output.Data = 800, "sink", 2, []byte(`{"id":2}`)
	ticket.Offset, ticket.Stage, ticket.Class, ticket.Data = 900, "ticket", "corrupt", nil
	return []destination.Envelope{e, binary, output, ticket}
}

// letters are those in the box, by object and offset.
func (s *scene) letters() map[string]redrive.Letter {
	s.Helper()
	box, err := sqsbox.New(s.client, s.dead, sqsbox.Config{Wait: -1})
	require.NoError(s, err)
	all := map[string]redrive.Letter{}
	for b, err := range box.Bundles(s.Context()) {
		require.NoError(s, err)
		for l, err := range b.Letters(s.Context()) {
			require.NoError(s, err)
			all[string(l.Data)] = l
		}
		require.NoError(s, b.Leave())
	}
	require.NoError(s, box.End(s.Context()))
	return all
}

// Everything that is known of a record that was put aside is known of its letter.
func TestARecordPutAsideIsALetter(t *testing.T) {
	s := newScene(t, "")
	s.putAside(records()...)
	got := s.letters()
	require.Len(t, got, 4)
	for _, e := range records() {
		l, ok := got[string(e.Data)]
		require.True(t, ok, "%q", e.Data)
		known := destination.Envelope{
			Object: l.Object, Version: l.Version, Offset: l.Offset, Index: l.Index, Attempt: l.Attempt,
			Class: l.Class, Reason: l.Reason, Stage: l.Stage, Data: e.Data,
		}
		assert.Equal(t, e, known)
		assert.WithinDuration(t, time.Now(), l.Time, time.Minute)
		if e.Stage != redrive.StageTicket {
			assert.Equal(t, processor.RecordID(source.Object{Key: e.Object, Version: e.Version, Size: -1}, e.Offset, e.Index), l.RecordID())
		}
	}
}

// A record that told its origin by itself told no version: what its id was is not
// known.
func TestARecordOfUnknownVersionHasNoId(t *testing.T) {
	s := newScene(t, "")
	e := records()[0]
	e.Version = ""
	s.putAside(e)
	l := s.letters()[`{"id":1}`]
	assert.Equal(t, "in/a.csv", l.Object)
	assert.Empty(t, l.RecordID())
}

// A record is replayed as the message that it was, with its origin, and as if it had
// never failed; what stands for an object is not.
func TestARecordPutAsideIsReplayedAnew(t *testing.T) {
	s := newScene(t, "")
	s.putAside(records()...)
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target(), Where: redrive.Filter{Object: "in/a"}})
	require.NoError(t, err)
	assert.EqualValues(t, 2, report.Replayed)
	assert.EqualValues(t, 1, report.Tickets)
	assert.Equal(t, map[string]int64{"no item of that key": 2}, report.Reasons)
	report, err = redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target()})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Replayed, "the one in base64")
	sent := map[string]sqstest.Message{}
	for _, m := range s.server.Messages("work") {
		sent[m.Body] = m
	}
	require.Len(t, sent, 3)
	assert.Equal(t, map[string]sqstest.Attribute{
		"object": {Type: "String", Value: "in/a.csv"}, "version": {Type: "String", Value: "v1"}, "offset": {Type: "Number", Value: "800"},
		"index": {Type: "Number", Value: "2"}, "stage": {Type: "String", Value: "sink"}, "attempt": {Type: "Number", Value: "0"}, "class": {Type: "String", Value: "none"},
	}, sent[`{"id":2}`].Attributes)
	values := map[string]string{}
	for name, a := range sent["/wA="].Attributes {
		values[name] = a.Value
	}
	e, ok := sqsletter.Read("/wA=", values)
	require.True(t, ok)
	assert.Equal(t, destination.Envelope{Object: "in/b.csv", Version: "v1", Offset: 700, Class: "none", Data: []byte("\xff\x00")}, e)
}

// Into a retry destination a record goes as any other of a folder.
func TestARecordPutAsideGoesToAFolder(t *testing.T) {
	s := newScene(t, "")
	s.putAside(records()[:3]...)
	folder := t.TempDir()
	to, err := redrive.ToRetry(folder)
	require.NoError(t, err)
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: to})
	require.NoError(t, err)
	assert.EqualValues(t, 3, report.Replayed)
	store, err := destination.Open(destination.Config{URL: folder})
	require.NoError(t, err)
	var data []string
	for part, err := range store.List(t.Context()) {
		require.NoError(t, err)
		body, err := store.Open(t.Context(), part.Name)
		require.NoError(t, err)
		for e, err := range destination.ReadEnvelopes(body, 1<<20) {
			require.NoError(t, err)
			assert.Zero(t, e.Attempt)
			data = append(data, string(e.Data))
		}
		require.NoError(t, body.Close())
	}
	assert.ElementsMatch(t, []string{`{"id":1}`, "\xff\x00", `{"id":2}`}, data)
}

// A record is found in the queue by its id: by the one that its origin makes, and by
// the one that it holds.
func TestTraceFindsARecordThatWasPutAside(t *testing.T) {
	s := newScene(t, "")
	all := records()[:3]
	held := processor.RecordID(source.Object{Key: "first.csv", Version: "v0", Size: -1}, 42, 0)
	all = append(all, destination.Envelope{Object: "account/queue/m", Offset: 1, Attempt: 3, Class: "retryable", Reason: "no", Data: []byte(`{"record":"` + held + `"}`)})
	s.putAside(all...)
	of := func(key string, offset int64, index int) string {
		return processor.RecordID(source.Object{Key: key, Version: "v1", Size: -1}, offset, index)
	}
	for id, reason := range map[string]string{
		of("in/a.csv", 700, 0): "no item of that key", of("in/a.csv", 800, 2): "no item of that key", of("in/b.csv", 700, 0): "no item of that key", held: "no",
		of("in/a.csv", 800, 0): "", of("in/a.csv", 701, 0): "",
	} {
		dir := t.TempDir()
		track, err := redrive.Trace(t.Context(), redrive.TraceConfig{
			Inspect: processor.InspectConfig{Source: &sourcetest.Memory{}, Claims: memory.New(), RetryURL: dir + "/r", FailedURL: dir + "/f", CorruptionURL: dir + "/c"},
			Boxes:   []redrive.Box{s.box()},
		}, id)
		require.NoError(t, err)
		if reason == "" {
			assert.Empty(t, track.Aside, id)
			continue
		}
		report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), DryRun: true, Where: redrive.Filter{Record: id}})
		require.NoError(t, err)
		assert.EqualValues(t, 1, report.Matched, id)
		if assert.Len(t, track.Aside, 1, id) {
			assert.Equal(t, reason, track.Aside[0].Reason)
			assert.Equal(t, 3, track.Aside[0].Attempt)
			assert.Equal(t, redrive.FateDeadLetter, track.Fate)
		}
	}
}
