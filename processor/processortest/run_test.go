package processortest

import (
	"testing"
	"testing/synctest"

	"github.com/unspool-go/unspool/processor"
)

func TestRun(t *testing.T) {
	for name, change := range map[string]func(cfg *processor.Config){
		"array":      func(*processor.Config) {},
		"lines":      func(cfg *processor.Config) { cfg.Pack.Mode = processor.PackLines },
		"single":     func(cfg *processor.Config) { cfg.Pack.Mode = processor.PackSingle },
		"per object": func(cfg *processor.Config) { cfg.Pack.PerObject, cfg.Pack.TargetBytes = true, 5000 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				Run(t, func(h *Harness) processor.Config {
					cfg := h.Config()
					change(&cfg)
					return cfg
				})
			})
		})
	}
}
