package doctest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the top folder of the repository.
const root = "../.."

// files returns the paths, from root, of all files whose names end in suffix.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var found []string
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir // .git, .tools
		}
		if strings.HasSuffix(path, suffix) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// documents returns the paths, from root, of all Markdown files.
func documents(t *testing.T) []string {
	t.Helper()
	found := files(t, ".md")
	require.Contains(t, found, "README.md")
	return found
}

func read(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	require.NoError(t, err)
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the fenced blocks of a language.
func blocks(text, language string) []string {
	var found []string
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// prose returns the text without its fenced blocks.
func prose(text string) string { return fence.ReplaceAllString(text, "") }

// table returns the cells of the first table below a heading, less its head.
func table(t *testing.T, text, heading string) [][]string {
	t.Helper()
	_, section, ok := strings.Cut(text, "\n## "+heading+"\n")
	require.True(t, ok, "no section %q", heading)
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 2, "no table in section %q", heading)
	return rows[2:]
}
