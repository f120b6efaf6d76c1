package doctest

import (
	"archive/zip"
	"debug/elf"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/internal/testtool"
)

const deployment = "docs/deploy.md"

// stack is the template that the document deploys, and folders the functions of it by
// their folders.
func stack(t *testing.T) (tmpl template.Template, folders map[string]string) {
	t.Helper()
	tmpl, err := template.Read(filepath.Join(root, "examples/lambda/template.yaml"))
	require.NoError(t, err)
	folders = map[string]string{}
	for _, f := range tmpl.All("AWS::Lambda::Function") {
		folders[strings.TrimSuffix(filepath.Base(tmpl.At(f, "Code").(string)), ".zip")] = f
	}
	return tmpl, folders
}

// code takes the first word in backticks out of a cell.
func code(cell string) string {
	_, cell, _ = strings.Cut(cell, "`")
	word, _, _ := strings.Cut(cell, "`")
	return word
}

// section returns what stands under a heading of the third level, as one of the second.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(read(t, deployment), "\n### "+heading+"\n")
	require.True(t, ok, heading)
	text, _, _ = strings.Cut(text, "\n### ")
	return "\n## " + heading + "\n" + text
}

// What the document says of the template is what stands there: the functions, the
// parameters, and which function reads which setting.
func TestDeploymentIsThatOfTheTemplate(t *testing.T) {
	tmpl, folders := stack(t)
	var listed, parameters, settings []string
	overview, _, _ := strings.Cut(read(t, deployment), "\n### ")
	for _, row := range table(t, overview, "AWS Lambda") {
		listed = append(listed, code(row[0]))
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(folders)), listed)
	for _, row := range table(t, section(t, "Deploy"), "Deploy") {
		parameters = append(parameters, code(row[0]))
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(tmpl.Parameters)), parameters)

	for _, row := range table(t, section(t, "Settings"), "Settings") {
		name := code(row[0])
		settings = append(settings, name)
		for folder, function := range folders {
			says := row[1] == "all" || strings.Contains(row[1], "`"+folder+"`")
			assert.Equal(t, slices.Contains(tmpl.Variables(function), name), says, "%s and %s", name, folder)
		}
	}
	assert.ElementsMatch(t, setup.Names, settings)
}

var (
	override = regexp.MustCompile(`--parameter-overrides (\w+)=`)
	ours     = regexp.MustCompile("unspool (run|status|check|archive) (--[^`\n]*)")
	flags    = regexp.MustCompile(`--[a-z-]+`)
	place    = regexp.MustCompile(`(?:examples|docs)/[\w./-]+`)
	// each is the loop over all functions that builds them.
	each = regexp.MustCompile(`for f in ([\w ]+);`)
)

// Commands that need an account, or root, cannot be run here: what they name exists.
func TestDeploymentNamesWhatExists(t *testing.T) {
	tmpl, folders := stack(t)
	text := read(t, deployment)
	for _, m := range override.FindAllStringSubmatch(text, -1) {
		assert.Contains(t, tmpl.Parameters, m[1])
	}
	for _, file := range place.FindAllString(strings.Join(blocks(text, "console"), ""), -1) {
		_, err := os.Stat(filepath.Join(root, file))
		assert.NoError(t, err)
	}
	commands := ours.FindAllStringSubmatch(text, -1)
	assert.GreaterOrEqual(t, len(commands), 2)
	for _, m := range commands {
		help := read(t, "examples/unspool/testdata/"+m[1]+"-help.txt")
		for _, flag := range flags.FindAllString(m[2], -1) {
			assert.Contains(t, help, flag, m[0])
		}
	}
	built := each.FindStringSubmatch(blocks(text, "sh")[0])
	require.NotNil(t, built)
	assert.Equal(t, slices.Sorted(maps.Keys(folders)), strings.Fields(built[1]), "all that the template deploys is built")
	build, _, _ := strings.Cut(blocks(text, "sh")[0], " -o ")
	_, build, _ = strings.Cut(build, "GOARCH=")
	arch, _, _ := strings.Cut(build, " ")
	for _, f := range tmpl.All("AWS::Lambda::Function") {
		assert.Equal(t, []any{arch}, tmpl.At(f, "Architectures"), f)
	}
}

// The shell commands of the document, with a folder of the test's own in place of
// build/: they make what Lambda takes, and the command.
func TestCommandsOfDeployment(t *testing.T) {
	if testtool.Brief() {
		t.Skip("at full scale only: everything is compiled for another processor")
	}
	testtool.Find(t, "zip")
	repository, err := filepath.Abs(root)
	require.NoError(t, err)
	build := t.TempDir()
	shell := blocks(read(t, deployment), "sh")
	require.Len(t, shell, 2)
	for _, block := range shell {
		block = strings.ReplaceAll(block, "build/", build+"/")
		block = each.ReplaceAllString(block, "for f in loader;")    // one for all
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", block) // without a limit of its own: it compiles everything
		cmd.Dir = repository
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}

	archive, err := zip.OpenReader(filepath.Join(build, "loader.zip"))
	require.NoError(t, err)
	defer archive.Close()
	require.Len(t, archive.File, 1)
	assert.Equal(t, "bootstrap", archive.File[0].Name)
	assert.NotZero(t, archive.File[0].Mode()&0o111, "it can be run")
	t.Logf("loader.zip: %d bytes, unpacked %d", archive.File[0].CompressedSize64, archive.File[0].UncompressedSize64)
	binary, err := elf.Open(filepath.Join(build, "loader", "bootstrap"))
	require.NoError(t, err)
	defer binary.Close()
	assert.Equal(t, elf.EM_AARCH64, binary.Machine)
	assert.NotContains(t, sectionsOf(binary), ".interp", "it needs no library of the machine")

	runUnit(t, filepath.Join(build, "unspool"))
}

func sectionsOf(f *elf.File) []string {
	var names []string
	for _, s := range f.Sections {
		names = append(names, s.Name)
	}
	return names
}

// runUnit runs the commands of the systemd unit, with its configuration, twice: files
// are drained once and archived.
func runUnit(t *testing.T, program string) {
	t.Helper()
	work := t.TempDir()
	want, err := spooltest.Write(filepath.Join(work, "srv/feeds/in"), spooltest.Config{Files: 50})
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(work, "srv/feeds/archive"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(work, "var/lib/unspool"), 0o700))
	var options map[string]string
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "examples/deploy/unspool.yaml")), &options))
	for name, value := range options {
		value = strings.ReplaceAll(value, "/srv/", work+"/srv/")
		options[name] = strings.ReplaceAll(value, "/var/", work+"/var/")
	}
	options["after"] = "0s"
	text, err := yaml.Marshal(options)
	require.NoError(t, err)
	config := filepath.Join(work, "unspool.yaml")
	require.NoError(t, os.WriteFile(config, text, 0o600))

	queue := startQueue(t, "feeds")
	for range 2 {
		ran := 0
		for line := range strings.Lines(read(t, "examples/deploy/unspool.service")) {
			words, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecStart=/usr/local/bin/unspool ")
			if !ok {
				continue
			}
			args := strings.Fields(strings.ReplaceAll(words, "/etc/unspool/unspool.yaml", config))
			command(t, work, queue.environment(), program, args...)
			ran++
		}
		require.Equal(t, 3, ran)
		assert.Equal(t, want.Delivered, queue.ids(t))
	}
	left, err := filepath.Glob(filepath.Join(work, "srv/feeds/in/*/*/*.json"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// The image holds nothing but the command, and does not run as root.
func TestContainerfile(t *testing.T) {
	text := read(t, "examples/deploy/Containerfile")
	_, image, ok := strings.Cut(text, "\nFROM scratch\n")
	require.True(t, ok)
	assert.Regexp(t, `(?m)^USER [1-9]\d*:[1-9]\d*$`, image)
	assert.Contains(t, image, `ENTRYPOINT ["/unspool"]`)
	assert.NotContains(t, image, "RUN")
	_, flags, _ := strings.Cut(blocks(read(t, deployment), "sh")[1], "go build ")
	flags, _, _ = strings.Cut(flags, " -o ")
	assert.Contains(t, text, "CGO_ENABLED=0 go build "+flags, "built as the document says")
}
