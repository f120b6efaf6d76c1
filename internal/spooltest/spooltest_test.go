package spooltest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/spooltest"
)

var mixed = spooltest.Config{Files: 2000, Seed: 7, CorruptEvery: 50, OddEvery: 20, PerFolder: 300}

// Every record that is said to be good is valid JSON in UTF-8 with the id it is
// said to have, and no id comes twice.
func TestRecordsAreGood(t *testing.T) {
	seen := map[int64]bool{}
	for f := range spooltest.Files(mixed) {
		for _, rec := range f.Records {
			require.True(t, json.Valid(rec.JSON) && utf8.Valid(rec.JSON), "%s (%s)", f.Name, f.Kind)
			require.Equal(t, rec.ID, gjson.GetBytes(rec.JSON, "id").Int())
			require.True(t, bytes.Contains(f.Data, rec.JSON))
			require.False(t, seen[rec.ID])
			seen[rec.ID] = true
		}
		require.NotZero(t, len(f.Records)+f.Corrupt, f.Name)
	}
}

// Plain files are of the size the job is about: 2 to 3 KB.
func TestPlainFilesAre2To3KB(t *testing.T) {
	for f := range spooltest.Files(spooltest.Config{Files: 1000}) {
		require.Equal(t, "plain", f.Kind)
		require.Len(t, f.Records, 1)
		require.GreaterOrEqual(t, len(f.Data), 2000)
		require.LessOrEqual(t, len(f.Data), 3500)
	}
}

// The same Config gives the same folder; another seed another one.
func TestDeterministic(t *testing.T) {
	other := mixed
	other.Seed++
	assert.Equal(t, spooltest.Make(mixed, 24), spooltest.Make(mixed, 24))
	assert.NotEqual(t, spooltest.Make(mixed, 24).Data, spooltest.Make(other, 24).Data)
}

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	want, err := spooltest.Write(folder, mixed)
	require.NoError(t, err)
	assert.Equal(t, 2000, want.Files)
	assert.Equal(t, 40, want.CorruptRecords())
	assert.Equal(t, 1860, want.Kinds["plain"])
	assert.Len(t, want.Kinds, 14, "every kind is there: %v", want.Kinds)
	last := spooltest.Make(mixed, 1999)
	data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(last.Name)))
	require.NoError(t, err)
	assert.Equal(t, last.Data, data)
}

func TestWriteLines(t *testing.T) {
	var out bytes.Buffer
	n, err := spooltest.WriteLines(&out, 1, 100_000)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
	require.Len(t, lines, n)
	for i, line := range lines {
		require.True(t, json.Valid(line))
		require.Equal(t, spooltest.FirstID+int64(i)+1, gjson.GetBytes(line, "id").Int())
	}
}
