package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRedactsAFolder(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "1.json"),
		[]byte("// a comment\n"+`{"id":1,"user":{"email":"a@b.c"}}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "2.json"), []byte(`{"id":2,`), 0o600))

	var out bytes.Buffer
	report, err := run(t.Context(), "email", t.TempDir(), folder, nil, &out)
	require.NoError(t, err)
	assert.Equal(t, `{"id":1,"user":{"email":"***"}}`+"\n", out.String())
	assert.EqualValues(t, 1, report.CorruptionErrors)
}

func TestRedactsStandardInput(t *testing.T) {
	var out bytes.Buffer
	_, err := run(t.Context(), "email", t.TempDir(), "", strings.NewReader(`{"email":"a@b.c"}`+"\n"+`{"email":null}`), &out)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat(`{"email":"***"}`+"\n", 2), out.String())
}

func TestABrokenPipeIsAnError(t *testing.T) {
	_, err := run(t.Context(), "email", t.TempDir(), "", strings.NewReader(`{"id":1}`), brokenPipe{})
	assert.ErrorIs(t, err, errBrokenPipe)
}

var errBrokenPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBrokenPipe }
