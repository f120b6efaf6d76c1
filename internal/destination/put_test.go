package destination_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// What is there is never replaced, what is the same is no error, and of what could
// not be written to its end nothing is visible.
func TestPut(t *testing.T) {
	for name, url := range map[string]string{"local": t.TempDir(), "afs": "mem://put/$UUID"} {
		t.Run(name, func(t *testing.T) {
			s, err := destination.Open(destination.Config{URL: url})
			require.NoError(t, err)
			c, existed, err := s.Put(t.Context(), "a/b.json", text("one"))
			require.NoError(t, err)
			assert.False(t, existed)
			assert.EqualValues(t, 3, c.Size)

			again, existed, err := s.Put(t.Context(), "a/b.json", text("one"))
			require.NoError(t, err)
			assert.True(t, existed)
			assert.Equal(t, c, again)

			_, existed, err = s.Put(t.Context(), "a/b.json", text("two"))
			require.ErrorIs(t, err, destination.ErrDiffers)
			assert.True(t, existed)
			assert.True(t, fault.Is(err, fault.ClassInterrupted))

			broken := errors.New("broken")
			_, _, err = s.Put(t.Context(), "c", func(w io.Writer) error { return errors.Join(text("some")(w), broken) })
			require.ErrorIs(t, err, broken)
			assert.False(t, fault.Is(err, fault.ClassInterrupted), "it is none of the destination")
			_, err = s.Open(t.Context(), "c")
			require.ErrorIs(t, err, fs.ErrNotExist)

			r, err := s.Open(t.Context(), "a/b.json")
			require.NoError(t, err)
			data, err := io.ReadAll(r)
			require.NoError(t, errors.Join(err, r.Close()))
			assert.Equal(t, "one", string(data))
		})
	}
}

// Two that put the same file at once both succeed; of two that do not, one.
func TestPutAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	s, err := destination.Open(destination.Config{URL: dir})
	require.NoError(t, err)
	for _, other := range []string{"one", "two"} {
		name := "x-" + other
		_, existed, err := s.Put(t.Context(), name, func(w io.Writer) error {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(other), 0o644)) // somebody was faster
			return text("one")(w)
		})
		assert.True(t, existed)
		if other == "one" {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, destination.ErrDiffers)
		}
	}
}

func TestPutEndsWithItsContext(t *testing.T) {
	s, err := destination.Open(destination.Config{URL: t.TempDir()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err = s.Put(ctx, "a", func(w io.Writer) error { cancel(); return text("one")(w) })
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Open(t.Context(), "a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestFileName(t *testing.T) {
	for key, want := range map[string]string{
		"a/b.json":               "a/b.json",
		"with space & +%41":      "with space & +%41",
		"ünï.json":               "ünï.json",
		".hidden/x":              "%2Ehidden/x",
		"a/.b":                   "a/%2Eb",
		"bad\xff":                "bad%FF",
		"line\nbreak":            "line%0Abreak",
		"../up":                  "%2E./up",
		"/abs":                   "%2Fabs",
		"a//b":                   "a%2F/b",
		strings.Repeat("x", 250): strings.Repeat("x", 250),
	} {
		got := destination.FileName(key, 5)
		if want != got {
			assert.Equal(t, want, got, "%q", key)
		}
		assert.True(t, fs.ValidPath(got), got)
	}
	long := destination.FileName(strings.Repeat("x", 251), 5)
	assert.Len(t, long, 250)
	assert.NotEqual(t, long, destination.FileName(strings.Repeat("x", 252), 5))
	assert.Less(t, len(destination.FileName(strings.Repeat("folder/", 200)+"file", 0)), 1000)
}
