package processortest_test

import (
	"testing"
	"testing/synctest"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/transform"
)

// A transform of one's own, and a way of packing, proven end to end.
func ExampleRun() {
	test := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			processortest.Run(t, func(h *processortest.Harness) processor.Config {
				cfg := h.Config()
				cfg.Transform = h.Transform(transform.MustProject("id"))
				cfg.Pack.Mode = processor.PackLines
				return cfg
			})
		})
	}
	_ = test // usually a function TestPipeline(t *testing.T)
	// Output:
}
