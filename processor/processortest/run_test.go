package processortest

import (
	"testing"
	"testing/synctest"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
)

func TestRun(t *testing.T) {
	for name, change := range map[string]func(cfg *processor.Config){
		"array":        func(*processor.Config) {},
		"lines":        func(cfg *processor.Config) { cfg.Pack.Mode = processor.PackLines },
		"single":       func(cfg *processor.Config) { cfg.Pack.Mode = processor.PackSingle },
		"per object":   func(cfg *processor.Config) { cfg.Pack.PerObject, cfg.Pack.TargetBytes = true, 5000 },
		"format lines": func(cfg *processor.Config) { cfg.Split.Format = source.FormatLines },
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && (name == "lines" || name == "single") {
				t.Skip("ten times as slow under the race detector, which has seen their like")
			}
			synctest.Test(t, func(t *testing.T) {
				objects := kinds
				if name == "format lines" {
					objects = lineKinds
				}
				runOn(t, objects, func(h *Harness) processor.Config {
					cfg := h.Config()
					change(&cfg)
					return cfg
				})
			})
		})
	}
}
