package gcp_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/adapter/gcp"
)

// Whatever arrives is answered: with success only where something was done, or
// nothing is to be.
func FuzzRequests(f *testing.F) {
	data := resource("feed", "in/a", "1")
	f.Add(data, finalized, "application/json")
	f.Add(envelope("m", []byte(data), notice("in/a", "1"), 2), "", "")
	f.Add(envelope("m", []byte("x"), nil, 2), published, "")
	f.Add(`{"type":"`+finalized+`","data":`+data+`}`, "", "application/cloudevents+json")
	f.Add(`{"type":"`+finalized+`","data_base64":"e30="}`, "", "application/cloudevents+json")
	f.Add(`{"context":{"eventType":"google.pubsub.topic.publish"},"data":{"data":"eA=="}}`, "", "")
	f.Add("[]", "", "application/cloudevents-batch+json")
	f.Fuzz(func(t *testing.T, body, kind, media string) {
		for _, of := range []string{"objects", "messages"} {
			var svc calls
			var report *gcp.Report
			note := func(r *gcp.Report) { report = r }
			var h handler = messages(t, &svc, note)
			if of == "objects" {
				h = objects(t, &svc, bucket{}, note)
			}
			status := post(h, body, "Ce-Type", kind, "Content-Type", media)
			settled := int64(len(svc.requests)) + report.Ignored + report.Refused
			require.Equal(t, status == http.StatusNoContent, settled == 1, "%s: %d", of, status)
			require.Equal(t, status != http.StatusNoContent, report.Unsettled == 1)
		}
		var m gcp.Message
		_ = json.Unmarshal([]byte(body), &m)
	})
}
