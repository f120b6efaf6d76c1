package benchtest

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var plots = flag.String("plots", "", "folder to draw a plot of each benchmark in")

// draw draws what a unit of work cost each contestant, in CPU time, as bars.
func draw(b *testing.B, unit string, n int, contestants []contestant, cost []turn) {
	const (
		left, bar, right = 170, 420, 130 // widths of names, longest bar and figures
		line, top        = 26, 34
	)
	most := cost[0].cpu
	for _, t := range cost {
		most = max(most, t.cpu)
	}
	var svg bytes.Buffer
	text := func(x, y int, anchor, s string) {
		fmt.Fprintf(&svg, `  <text x="%d" y="%d" text-anchor="%s">`, x, y, anchor)
		require.NoError(b, xml.EscapeText(&svg, []byte(s)))
		svg.WriteString("</text>\n")
	}
	width, height := left+bar+right, top+line*len(contestants)+8
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&svg, `  <rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	name := strings.ReplaceAll(strings.TrimPrefix(b.Name(), "Benchmark"), "/", "-")
	text(12, 20, "start", fmt.Sprintf("%s: microseconds of CPU time per %s", name, unit))
	for i, c := range contestants {
		y := top + i*line
		fill := "#9aa5b1"
		if c.name == "unspool" {
			fill = "#d9480f"
		}
		length := max(1, int(float64(bar)*float64(cost[i].cpu)/float64(most)))
		text(left-8, y+16, "end", c.name)
		fmt.Fprintf(&svg, `  <rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", left, y+2, length, line-6, fill)
		text(left+length+6, y+16, "start", fmt.Sprintf("%.2f", float64(cost[i].cpu.Nanoseconds())/1e3/float64(n)))
	}
	svg.WriteString("</svg>\n")
	require.NoError(b, os.WriteFile(filepath.Join(*plots, strings.ToLower(name)+".svg"), svg.Bytes(), 0o644))
}
