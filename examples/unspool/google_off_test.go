//go:build !gs

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A build without Google Cloud says how to get one with it.
func TestGoogleIsNotInThisBuild(t *testing.T) {
	folder := t.TempDir()
	for _, args := range [][]string{
		{"run", "--source", "gs://bucket/in", "--sink", "stdout:", "--claims", "disk:" + filepath.Join(folder, "claims")},
		{"run", "--source", folder, "--sink", "stdout:", "--claims", "memory:", "--retry", "gs://bucket/retry"},
	} {
		code, _, errs := runHere(t, args...)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, errs, "gs:// is not in this build: build the command with -tags gs")
	}
}
