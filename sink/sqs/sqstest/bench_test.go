package sqstest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// BenchmarkServer is what the stand-in spends on a SendMessageBatch with one
// body of JSON, without the network.
func BenchmarkServer(b *testing.B) {
	record := `{"id":1234567890,"user":"somebody","text":"a line of text that is as long as they are, more or less","tags":["a","b"]},`
	for _, size := range []int{2 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			srv := sqstest.Start(b, sqstest.Config{DiscardBodies: true})
			queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
			require.NoError(b, err)
			body := strings.Repeat(record, size/len(record))
			request, err := json.Marshal(map[string]any{"QueueUrl": queue, "Entries": []any{map[string]any{"Id": "0", "MessageBody": body}}})
			require.NoError(b, err)
			header := http.Header{
				"X-Amz-Target": {"AmazonSQS.SendMessageBatch"}, "Content-Type": {"application/x-amz-json-1.0"},
				"X-Amz-Date": {"20261122T000000Z"}, "Authorization": {authorization},
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", bytes.NewReader(request))
				r.Header = header
				w := httptest.NewRecorder()
				srv.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
