package transform_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/transformtest"
)

func TestOriginConforms(t *testing.T) {
	for _, o := range []transform.Origin{{}, {Object: "object"}, {Offset: "offset"}, {Object: `"o"`, Offset: "\xff"}} {
		transformtest.Conform(t, o, `{"a":1}`, " {} ", "{\t}", `{"object":"mine"}`)
	}
}

func TestOrigin(t *testing.T) {
	both := transform.Origin{Object: "object", Offset: "offset"}
	for in, want := range map[string]string{
		`{"a":1}`:              `{"object":"day \"1\"�.csv","offset":42,"a":1}`,
		" { \n}":               `{"object":"day \"1\"�.csv","offset":42}`,
		`{"object":"another"}`: `{"object":"day \"1\"�.csv","offset":42,"object":"another"}`,
	} {
		assert.Equal(t, want, origin(t, both, in))
		assert.True(t, json.Valid([]byte(origin(t, both, in))))
	}
	assert.Equal(t, `{"offset":42,"a":1}`, origin(t, transform.Origin{Offset: "offset"}, `{"a":1}`))
	assert.Equal(t, `{"a":1}`, origin(t, transform.Origin{}, `{"a":1}`))
	for _, in := range []string{"[]", "null", "", "1"} {
		var out transform.Output
		err := both.Apply(t.Context(), source.Record{Data: []byte(in)}, &out)
		assert.Equal(t, fault.ClassCorrupt, fault.Of(err), in)
		assert.Zero(t, out.Size())
	}
}

func origin(t *testing.T, o transform.Origin, record string) string {
	t.Helper()
	var out transform.Output
	require.NoError(t, o.Apply(t.Context(), source.Record{
		Data: []byte(record), Object: &source.Object{Key: "day \"1\"\xff.csv"}, Offset: 42,
	}, &out))
	require.Equal(t, 1, out.Len())
	return string(out.Value(0))
}
