package destination_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
)

// bases are the kinds of destination that every promise is tested on.
func bases(t *testing.T) map[string]string {
	return map[string]string{
		"path":   t.TempDir() + "/retry",
		"file":   "file://" + t.TempDir() + "/retry",
		"memory": "mem://localhost/" + t.Name() + "/retry",
	}
}

func open(t *testing.T, url string) *destination.Store {
	t.Helper()
	s, err := destination.Open(destination.Config{URL: url, Start: time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)})
	require.NoError(t, err)
	return s
}

func write(t *testing.T, s *destination.Store, key string, attempt int, body string) string {
	t.Helper()
	part, err := s.Create(t.Context(), key, attempt)
	require.NoError(t, err)
	_, err = io.WriteString(part, body)
	require.NoError(t, err)
	_, err = part.Commit(t.Context())
	require.NoError(t, err)
	return part.Name()
}

func list(t *testing.T, s *destination.Store) []destination.Info {
	t.Helper()
	var infos []destination.Info
	for info, err := range s.List(context.Background()) {
		require.NoError(t, err)
		infos = append(infos, info)
	}
	return infos
}

func read(t *testing.T, s *destination.Store, name string) string {
	t.Helper()
	r, err := s.Open(t.Context(), name)
	require.NoError(t, err)
	defer r.Close()
	body, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(body)
}

func TestPartIsInvisibleUntilCommitAndReadBackWhole(t *testing.T) {
	for kind, base := range bases(t) {
		t.Run(kind, func(t *testing.T) {
			s := open(t, base)
			assert.Empty(t, list(t, s), "a base that does not exist is an empty list")

			part, err := s.Create(t.Context(), "a/b.json", 2)
			require.NoError(t, err)
			_, err = io.WriteString(part, "one\ntwo\n")
			require.NoError(t, err)
			assert.Empty(t, list(t, s), "visible before commit")
			url, err := part.Commit(t.Context())
			require.NoError(t, err)
			assert.Equal(t, s.URL()+"/"+part.Name(), url)

			infos := list(t, s)
			require.Len(t, infos, 1)
			assert.Equal(t, part.Name(), infos[0].Name)
			assert.Equal(t, "a/b.json", infos[0].Key)
			assert.Equal(t, 2, infos[0].Attempt)
			assert.Equal(t, "one\ntwo\n", read(t, s, infos[0].Name))

			require.NoError(t, s.Delete(t.Context(), infos[0].Name))
			require.NoError(t, s.Delete(t.Context(), infos[0].Name), "deleting what is gone")
			assert.Empty(t, list(t, s))
		})
	}
}
