package transform

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/source"
)

func TestPair(t *testing.T) {
	if os.Getenv("PAIR") == "" {
		t.Skip()
	}
	for _, long := range []bool{true, false} {
		records := tweets(64, long)
		p := MustProject(benchFields...)
		var out Output
		var dst []byte
		funcs := []struct {
			name string
			f    func(r []byte)
		}{
			{"gjson", func(r []byte) {
				if !gjson.ValidBytes(r) {
					panic(1)
				}
				dst = append(dst[:0], '{')
				for i, res := range gjson.GetManyBytes(r, benchPaths...) {
					dst = append(append(append(dst, '"'), benchPaths[i]...), `":`...)
					dst = append(dst, res.Raw...)
				}
			}},
			{"own", func(r []byte) {
				out.Reset()
				if p.Apply(t.Context(), source.Record{Data: r}, &out) != nil {
					panic(1)
				}
			}},
			{"ownprefix", func(r []byte) {
				out.Reset()
				p.ApplyPrefix(t.Context(), source.Record{}, r, 10000, &out)
			}},
			{"valid", func(r []byte) { jsonscan.Valid(r, 10000) }},
			{"text", func(r []byte) { jsonscan.Text(r, 0, 10000) }},
			{"gjsonvalid", func(r []byte) { gjson.ValidBytes(r) }},
		}
		times := make([][]float64, len(funcs))
		end := time.Now().Add(4 * time.Second)
		for time.Now().Before(end) {
			for k, fn := range funcs {
				start := time.Now()
				for _, r := range records {
					fn.f(r)
				}
				times[k] = append(times[k], float64(time.Since(start))/float64(len(records)))
			}
		}
		for k, fn := range funcs {
			slices.Sort(times[k])
			fmt.Printf("long=%v %-12s min %7.0f p20 %7.0f  ratio p20 %.2f\n", long, fn.name, times[k][0], times[k][len(times[k])/5], times[0][len(times[0])/5]/times[k][len(times[k])/5])
		}
	}
}
