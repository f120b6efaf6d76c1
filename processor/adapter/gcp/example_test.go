package gcp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
)

// A service of Cloud Run for the objects that appear in a bucket: each event of
// Eventarc, or of a push subscription, becomes a request.
func ExampleObjects() {
	svc := service(func(_ context.Context, req *processor.Request) error { // a *processor.Service
		fmt.Println("processing", req.SourceURL)
		return nil
	})
	objects, err := gcp.NewObjects(gcp.ObjectsConfig{
		Source: bucket{}, // a source/gs
		Config: gcp.Config{Service: svc, Timeout: 5 * time.Minute},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// http.ListenAndServe(":"+os.Getenv("PORT"), objects)

	event := `{"bucket":"feed","name":"in/a.json","generation":"1587627537231057","size":"352"}`
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(event))
	r.Header.Set("Ce-Type", "google.cloud.storage.object.v1.finalized")
	w := httptest.NewRecorder()
	objects.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// processing gs://feed/in/a.json
	// 204
}

// The messages of a push subscription.
func ExampleMessages() {
	var svc calls // a *processor.Service
	messages, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{
		Service: &svc, Timeout: time.Minute,
		Done: func(r *gcp.Report) { fmt.Println(r.Status, "unsettled:", r.Unsettled) },
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	push := `{"message":{"data":"eyJpZCI6MX0=","messageId":"136969346945"},"subscription":"projects/p/subscriptions/s"}`
	fmt.Println(post(messages, push), svc.bodies[0], svc.requests[0].SourceURL)
	// Output:
	// ok unsettled: 0
	// 204 {"id":1} pubsub://p/s/136969346945
}
