package sqsletter_test

import (
	"maps"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sqsletter"
)

// values are attributes as a consumer has them.
func values(attributes []sqsletter.Attribute) map[string]string {
	of := map[string]string{}
	for _, a := range attributes {
		of[a.Name] = a.Value
	}
	return of
}

// accepted reports whether SQS takes a text, from "SendMessage" of its reference.
func accepted(text string) bool {
	if text == "" || !utf8.ValidString(text) {
		return false
	}
	for _, c := range text {
		ok := c == 0x9 || c == 0xa || c == 0xd || c >= 0x20 && c <= 0xd7ff || c >= 0xe000 && c <= 0xfffd || c >= 0x10000 && c <= 0x10ffff
		if !ok {
			return false
		}
	}
	return true
}

// Whatever a record and its origin hold, SQS takes the message, and it is read back.
func TestEveryEnvelopeGoesAndComesBack(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringN(1, 20, 40), rapid.Just("\xff\x00"), rapid.Just("a\ufffeb"))
	rapid.Check(t, func(t *rapid.T) {
		e := destination.Envelope{
			Object: text.Draw(t, "object"), Version: text.Draw(t, "version"), Offset: rapid.Int64Min(0).Draw(t, "offset"),
			Index: int(rapid.Int32Min(0).Draw(t, "index")), Attempt: int(rapid.Int32Min(0).Draw(t, "attempt")),
			Class: rapid.SampledFrom([]string{"retryable", "corrupt", "interrupted", "fatal"}).Draw(t, "class"),
			Stage: rapid.SampledFrom([]string{"", "sink", "ticket"}).Draw(t, "stage"),
			Data:  rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "data"),
		}
		reason := text.Draw(t, "reason")
		e.Reason = reason
		body, attributes := sqsletter.Write(&e)
		require.True(t, accepted(string(body)), "%q", body)
		require.LessOrEqual(t, len(attributes), 10)
		require.Len(t, values(attributes), len(attributes), "each once")
		for _, a := range attributes {
			require.True(t, accepted(a.Value), "%+v", a)
			require.True(t, sqsletter.Own(a.Name))
			require.Contains(t, []string{"String", "Number"}, a.Type)
		}
		got, ok := sqsletter.Read(string(body), values(attributes))
		require.True(t, ok)
		if accepted(reason) {
			require.Equal(t, reason, got.Reason)
		}
		e.Reason, got.Reason = "", ""
		if len(e.Data) == 0 {
			e.Data = got.Data
			require.Empty(t, got.Data)
		}
		require.Equal(t, e, got)
	})
}

// Text stays as it is, for any consumer.
func TestTheBodyIsTheRecord(t *testing.T) {
	body, attributes := sqsletter.Write(&destination.Envelope{Object: "a", Class: "retryable", Data: []byte(`{"id":"é"}`)})
	assert.Equal(t, `{"id":"é"}`, string(body))
	assert.Equal(t, []sqsletter.Attribute{
		{Name: "object", Type: "String", Value: "a"}, {Name: "offset", Type: "Number", Value: "0"},
		{Name: "attempt", Type: "Number", Value: "0"}, {Name: "class", Type: "String", Value: "retryable"},
	}, attributes)
}

// What others send is nothing of ours, though it may look alike.
func TestOtherMessagesAreNotRead(t *testing.T) {
	good := map[string]string{"object": "a", "offset": "1", "attempt": "2", "class": "retryable", "index": "1"}
	_, ok := sqsletter.Read("x", good)
	require.True(t, ok)
	for name, wrong := range map[string][]string{
		"object": {""}, "offset": {"", "-1", "x", "1.5", "9223372036854775808"}, "attempt": {"", "-1", "1e3", "2147483648"},
		"class": {"bad"}, "encoding": {"rot13", "base64"}, "index": {"-1", ""}, "object64": {}, "version64": {"base64:?", "x"},
	} {
		for _, value := range wrong {
			spoilt := maps.Clone(good)
			spoilt[name] = value
			_, ok := sqsletter.Read("no base64", spoilt)
			assert.False(t, ok, "%s: %q", name, value)
		}
	}
}

// What is sent once more is as if it had never failed.
func TestRenew(t *testing.T) {
	e := destination.Envelope{Object: "a", Version: "v", Offset: 7, Index: 1, Attempt: 3, Class: "retryable", Reason: "no", Stage: "sink", Data: []byte("x")}
	body, attributes := sqsletter.Write(&e)
	got, ok := sqsletter.Read(string(body), values(sqsletter.Renew(attributes)))
	require.True(t, ok)
	e.Attempt, e.Class, e.Reason = 0, "none", ""
	assert.Equal(t, e, got)
}
