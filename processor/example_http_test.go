package processor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
)

// statusReporter adds to the report how often each status was answered.
type statusReporter struct {
	processor.BaseReporter
	ByStatus map[int]int

	mu sync.Mutex
}

func newStatusReporter() processor.Reporter {
	return &statusReporter{
		BaseReporter: processor.BaseReporter{Response: &processor.Response{}},
		ByStatus:     map[int]int{},
	}
}

func (r *statusReporter) add(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ByStatus[status]++
}

// caller asks a service about each record.
type caller struct{ base string }

func (c caller) Process(ctx context.Context, data []byte, reporter processor.Reporter) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+url.QueryEscape(string(data)), nil)
	if err != nil {
		return processor.NewDataCorruption("the record makes no URL")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault.Interrupted(err) // the service is away: no fault of the record
	}
	defer resp.Body.Close()
	reporter.(*statusReporter).add(resp.StatusCode)
	switch {
	case resp.StatusCode >= 500:
		return fmt.Errorf("the service answers %s", resp.Status) // to be tried again
	case resp.StatusCode >= 400:
		return processor.NewDataCorruption("the service answers " + resp.Status)
	}
	return nil
}

// A processor that calls a service for each record, with a reporter that counts
// its answers. What the service refuses is kept in the corruption destination,
// what it could not do for now is tried again.
func Example_httpCaller() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("data") {
		case "unknown":
			w.WriteHeader(http.StatusNotFound)
		case "overloaded":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	service, err := processor.New(processor.Config{
		Processor:   caller{server.URL + "/?data="},
		NewReporter: newStatusReporter,
		Rate:        processor.Rate{Calls: 500}, // a second
		RetryURL:    "mem://localhost/http/retry", FailedURL: "mem://localhost/http/failed", CorruptionURL: "mem://localhost/http/corrupt",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	input := strings.NewReader("a\nb\nunknown\nc d&e\noverloaded\n")
	report, err := service.Do(context.Background(), processor.NewRequest(input, nil, "ids.txt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp := report.BaseResponse()
	fmt.Println(resp.Processed, "processed,", resp.CorruptionErrors, "corrupt,", resp.RetryErrors, "to be tried again")
	fmt.Println(report.(*statusReporter).ByStatus)
	// Output:
	// 3 processed, 1 corrupt, 1 to be tried again
	// map[200:3 404:1 503:1]
}
