package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testName = regexp.MustCompile("`(?:[a-z]+\\.)?((?:Test|Fuzz|Benchmark|Example)[A-Z]\\w*)(?:/[^`]*)?`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)[A-Z]\w*)\(`)
	fileName = regexp.MustCompile("`([\\w./-]+\\.(?:go|md|yaml))`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, document := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(prose(read(t, document)), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(root, filepath.Dir(document), target))
			assert.NoError(t, err, "%s links to %s", document, m[1])
		}
	}
}

func TestFilesThatAreNamedExist(t *testing.T) {
	for _, document := range documents(t) {
		for _, m := range fileName.FindAllStringSubmatch(prose(read(t, document)), -1) {
			if strings.Contains(m[1], "/") {
				_, err := os.Stat(filepath.Join(root, m[1]))
				assert.NoError(t, err, "%s names %s", document, m[1])
			}
		}
	}
}

// A document that says which test proves something must name one that exists.
func TestTestsThatAreNamedExist(t *testing.T) {
	have := map[string]bool{}
	for _, path := range files(t, "_test.go") {
		for _, m := range testFunc.FindAllStringSubmatch(read(t, path), -1) {
			have[m[1]] = true
		}
	}
	require.True(t, have["TestTestsThatAreNamedExist"])
	for _, document := range documents(t) {
		for _, m := range testName.FindAllStringSubmatch(prose(read(t, document)), -1) {
			assert.True(t, have[m[1]], "%s names %s, which is no test", document, m[1])
		}
	}
}
