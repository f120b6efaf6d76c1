package benchtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs"
)

// Environment of a child process: what it drains, where its claims and
// destinations are, and the endpoint and queue it sends to.
const (
	folderEnv = "UNSPOOL_BENCH_FOLDER"
	stateEnv  = "UNSPOOL_BENCH_STATE"
	queueEnv  = "UNSPOOL_BENCH_QUEUE"
)

// inFlight is the configured MaxInFlightBytes of a child, not much above the
// least that is possible.
const inFlight = 48 << 20

// childReport is what a child writes to standard output.
type childReport struct {
	Response processor.Response
	PeakKB   int64 // the most memory that was resident
}

// child drains a folder instead of running tests.
func child() error {
	claims, err := disk.Open(filepath.Join(os.Getenv(stateEnv), "claims"), disk.Config{})
	if err != nil {
		return err
	}
	defer claims.Close()
	endpoint, queue, _ := strings.Cut(os.Getenv(queueEnv), " ")
	to, err := sqs.New(sqs.NewClient(awsConfig(endpoint), sqs.WithFastBody), queue, sqs.Config{})
	if err != nil {
		return err
	}
	r, err := job{folder: os.Getenv(folderEnv), there: os.Getenv(stateEnv), claims: claims, sink: to, memory: inFlight}.run(context.Background())
	if err != nil {
		return err
	}
	return report(r)
}

// report writes what a child tells to standard output.
func report(r *processor.Response) error {
	report := childReport{Response: *r}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(peak, &report.PeakKB); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}
