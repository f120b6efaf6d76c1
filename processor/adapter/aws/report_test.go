package aws_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

// told answers each request with a response in which every counter is 2.
type told struct{}

func (told) Do(context.Context, *processor.Request) (processor.Reporter, error) {
	rep := processor.NewReporter()
	counters(rep.BaseResponse(), func(_ string, v reflect.Value) { v.SetInt(2) })
	return rep, nil
}

func counters(r *processor.Response, see func(name string, v reflect.Value)) {
	for f, v := range reflect.ValueOf(r).Elem().Fields() {
		if f.Type.Kind() == reflect.Int64 {
			see(f.Name, v)
		}
	}
}

// The summary of an invocation counts all that is counted in its requests.
func TestTheReportSumsUpEveryCounter(t *testing.T) {
	var got *aws.Report
	h, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: told{}, Done: func(r *aws.Report) { got = r }}})
	require.NoError(t, err)
	_, err = h.Handle(t.Context(), batch("a", "b", "c"))
	require.NoError(t, err)
	counters(got.BaseResponse(), func(name string, v reflect.Value) {
		switch name {
		case "RuntimeMs": // of the invocation
		case "LagMs": // of the oldest
			assert.EqualValues(t, 2, v.Int(), name)
		default:
			assert.EqualValues(t, 6, v.Int(), name)
		}
	})
}
