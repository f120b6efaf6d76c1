package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
)

// reason is a line with the splitter's words, which are not this test's concern.
var reason = regexp.MustCompile(`(?m)^! split: .*$`)

// --dry-run shows records before and after, and why some are corrupt. It needs
// no sink, and writes nothing.
func TestDryRun(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "in")
	require.NoError(t, os.Mkdir(folder, 0o755))
	text := "// a comment\n" + `{"id":12345678901234567890,"user":{"name":"anna"}}` + "\n" + `{"id":}` + "\n" + `{"id":2}` + "\n{\"id\":\"\xff\"}\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.json"), []byte(text), 0o644))
	code, out, errs := runHere(t, "run", "--source", folder, "--select", "id,name=user.name", "--dry-run")
	require.Equal(t, exitOK, code, errs)
	assert.Equal(t, `a.json: offset 13
< {"id":12345678901234567890,"user":{"name":"anna"}}
> {"id":12345678901234567890,"name":"anna"}
a.json: offset 64
! REASON
a.json: offset 72
< {"id":2}
> {"id":2}
a.json: offset 81
! invalid UTF-8
`, reason.ReplaceAllString(out, "! REASON"))
	assert.Contains(t, errs, "4 records of 1 objects shown")
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// --missing says what becomes of fields that are not there.
func TestMissingFields(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.json"), []byte(`{"id":1} {"id":2,"name":null}`), 0o644))
	for _, c := range []struct{ policy, first string }{
		{"omit", `> {"id":1}`},
		{"null", `> {"id":1,"name":null}`},
		{"corrupt", `! `},
	} {
		t.Run(c.policy, func(t *testing.T) {
			args := []string{"run", "--source", folder, "--select", "id,name", "--missing", c.policy}
			code, out, errs := runHere(t, append(args, "--dry-run")...)
			require.Equal(t, exitOK, code, errs)
			assert.Contains(t, out, "< {\"id\":1}\n"+c.first)
			assert.Contains(t, out, "> {\"id\":2,\"name\":null}\n", "null is not missing")

			code, out, errs = runHere(t, append(args, "--sink", "stdout:", "--claims", "memory:", "--summary", "json")...)
			require.Equal(t, exitOK, code, errs)
			assert.Equal(t, c.policy == "corrupt", strings.Contains(out, `"CorruptionErrors":1`), out)
		})
	}
}

func TestDryRunLimit(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 30})
	for _, c := range []struct {
		args []string
		want int
	}{{nil, 10}, {[]string{"--limit", "3"}, 3}, {[]string{"--limit", "1000"}, 30}} {
		code, out, errs := runHere(t, append([]string{"run", "--source", s.folder, "--dry-run"}, c.args...)...)
		require.Equal(t, exitOK, code, errs)
		assert.Equal(t, c.want, strings.Count(out, "\n< {"))
		assert.Equal(t, c.want, strings.Count(out, "\n> {"))
	}
}

// What --dry-run shows of a record's identity is what is sent.
func TestDryRunShowsTheRecordID(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 1})
	args := []string{"run", "--source", s.folder, "--record-id", "rid", "--select", "id"}
	_, dry, errs := runHere(t, append(args, "--dry-run")...)
	_, after, found := strings.Cut(dry, "\n> ")
	require.True(t, found, errs)
	_, sent, _ := runHere(t, append(args, "--sink", "stdout:")...)
	assert.Contains(t, after, `{"rid":"`)
	assert.True(t, strings.HasPrefix(sent, after), "shown %s, sent %s", after, sent)
}

// A record far larger than the buffer is shown too.
func TestDryRunLargeRecord(t *testing.T) {
	folder := t.TempDir()
	text := `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.json"), []byte(text), 0o644))
	code, out, errs := runHere(t, "run", "--source", folder, "--dry-run")
	require.Equal(t, exitOK, code, errs)
	assert.Equal(t, "a.json: offset 0\n< "+text+"\n> "+text+"\n", out)
}
