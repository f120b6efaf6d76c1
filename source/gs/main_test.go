package gs_test

import (
	"testing"

	"go.uber.org/goleak"
)

// The client's tracing keeps a goroutine of OpenCensus from its import on.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}
