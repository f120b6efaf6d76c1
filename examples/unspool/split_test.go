package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/cut"
)

func TestSplit(t *testing.T) {
	root := t.TempDir()
	in, to := filepath.Join(root, "in"), filepath.Join(root, "parts")
	require.NoError(t, os.MkdirAll(in, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(in, "day.csv"), []byte("id\n1\n2\n3\n"), 0o600))
	args := []string{"split", "--source", in, "--to", to, "--format", "lines", "--raw", "--header-lines", "1", "--part-records", "2", "--ext", ".csv"}
	code, out, errs := runHere(t, append(args, "--json")...)
	require.Equal(t, exitOK, code, errs)
	var r cut.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	assert.Equal(t, cut.Report{Objects: 1, Cut: 1, Parts: 2, Records: 3, Bytes: 9}, r)
	parts, err := filepath.Glob(filepath.Join(to, "day.csv~*", "part*.csv"))
	require.NoError(t, err)
	require.Len(t, parts, 2)
	second, err := os.ReadFile(parts[1])
	require.NoError(t, err)
	assert.Equal(t, "id\n3\n", string(second))

	code, out, errs = runHere(t, args...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "0 cut, 1 done before")

	require.NoError(t, os.WriteFile(filepath.Join(in, "bad.json"), []byte("{broken"), 0o600))
	code, out, errs = runHere(t, "split", "--source", in, "--to", filepath.Join(root, "json"), "--sink", "stdout:")
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "1\n2\n3\n", "the parts are messages")
	assert.Contains(t, out, "1 corrupt")
	told, err := filepath.Glob(filepath.Join(root, "json-corruption", "*", "corrupt.ndjson"))
	require.NoError(t, err)
	assert.Len(t, told, 1)
}

func TestMistakesOfSplit(t *testing.T) {
	root := t.TempDir()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--source: required", []string{"--to", "x"}},
		{"--to: required", []string{"--source", root}},
		{"--to: " + root + "/x is inside --source", []string{"--source", root, "--to", root + "/x"}},
		{"--header-lines: only with", []string{"--source", root, "--to", "x", "--header-lines", "1"}},
		{"--raw: only with", []string{"--source", root, "--to", "x", "--raw"}},
		{"--format: whole", []string{"--source", root, "--to", "x", "--format", "whole"}},
		{"Config.Ext", []string{"--source", root, "--to", t.TempDir() + "/x", "--ext", "gz"}},
		{"--sink", []string{"--source", root, "--to", "x", "--sink", "gopher:x"}},
	} {
		code, _, errs := runHere(t, append([]string{"split"}, c.args...)...)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, errs, c.want)
	}
}
