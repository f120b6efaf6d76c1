package importtest

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/unspool-go/unspool"

// graph maps the path of a package to those it imports, tests left out and the
// standard library left out. Paths of this module are relative to its root.
type graph map[string][]string

// load asks the go command for every package of the module and everything it
// depends on.
func load(t *testing.T) graph {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", `{{if not .Standard}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}`, module+"/...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go list: %s", stderr.String())

	g := graph{}
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		if len(paths) == 0 {
			continue
		}
		for i, p := range paths {
			paths[i] = strings.TrimPrefix(p, module+"/")
		}
		g[paths[0]] = paths[1:]
	}
	for from, imports := range g { // what is no key now is the standard library
		g[from] = slices.DeleteFunc(imports, func(to string) bool { _, ok := g[to]; return !ok })
	}
	return g
}

// own reports whether path is a package of this module.
func own(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// packages returns the packages of this module, sorted.
func (g graph) packages() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for path := range maps.Keys(g) {
			if own(path) && !yield(path) {
				return
			}
		}
	})
}

// reach returns, for every package that from depends on, the shortest chain of
// imports that leads there: from first, the package last.
func (g graph) reach(from string) map[string][]string {
	chains := map[string][]string{from: {from}}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for _, to := range g[at] {
			if _, seen := chains[to]; !seen {
				chains[to] = append(slices.Clone(chains[at]), to)
				queue = append(queue, to)
			}
		}
	}
	return chains
}
