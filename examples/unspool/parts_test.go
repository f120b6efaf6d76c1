package main

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
)

// envelopes reads all that is in a destination folder.
func envelopes(t *testing.T, folder string) []destination.Envelope {
	t.Helper()
	var all []destination.Envelope
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		lines := bufio.NewReaderSize(file, 1<<20)
		for {
			line, err := lines.ReadBytes('\n')
			if len(line) == 0 {
				return nil
			}
			require.NoError(t, err, "%s: last line without newline", path)
			env, ok := destination.ParseEnvelope(line)
			require.True(t, ok, "%s: no envelope: %.200s", path, line)
			all = append(all, env)
		}
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return all
}

// byObject counts envelopes by their object.
func byObject(all []destination.Envelope) map[string]int {
	n := map[string]int{}
	for _, e := range all {
		n[e.Object]++
	}
	return n
}
