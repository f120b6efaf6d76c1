package aws_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

func seeds(f *testing.F) {
	for _, name := range []string{"s3", "eventbridge", "test", "dynamodb"} {
		text, err := os.ReadFile("testdata/" + name + ".json")
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(created("in/a")))
	f.Add([]byte(`{"Records":[{"eventSource":"aws:sqs","messageId":"m0","body":"{}"}]}`))
	f.Add([]byte(`{"Records":[{"eventSource":"aws:sqs"}]}`))
	f.Add([]byte(`{"Records":[{"dynamodb":{"SequenceNumber":"1","NewImage":{"a":{"M":{"b":{"L":[{"NS":["1"]}]}}}}}}]}`))
}

// Whatever the event: no panic, and an answer that can be marshalled or an error.
func FuzzEvents(f *testing.F) {
	seeds(f)
	drained := service(func(_ context.Context, req *processor.Request) error {
		if req.Reader == nil {
			return nil
		}
		_, err := io.ReadAll(req.Reader)
		return err
	})
	objects, err := aws.NewObjects(aws.ObjectsConfig{Config: aws.Config{Service: drained}, Source: keyed{}})
	require.NoError(f, err)
	changes, err := aws.NewChanges(aws.ChangesConfig{Config: aws.Config{Service: service(func(_ context.Context, req *processor.Request) error {
		for in := json.NewDecoder(req.Reader); ; { // what comes of a change is JSON
			var record struct{ SequenceNumber *string }
			if err := in.Decode(&record); err == io.EOF {
				return nil
			} else if err != nil || record.SequenceNumber == nil {
				panic("no record")
			}
		}
	})}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, event []byte) {
		for _, handle := range []func(context.Context, json.RawMessage) (aws.Answer, error){objects.Handle, changes.Handle} {
			answer, err := handle(t.Context(), event)
			if err != nil {
				require.NotContains(t, err.Error(), "panic")
				require.Empty(t, answer.Again())
				continue
			}
			_, err = json.Marshal(answer)
			require.NoError(t, err)
		}
	})
}
