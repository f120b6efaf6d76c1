package processor_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/quorum"
)

// Of cloudless, defect 1: what could not be read was lost with its source. What is
// put together of several objects is one stream: what is damaged in the first hides
// all of the second, of which no record is anywhere else.
func TestDoneObjectThatIsDamagedStays(t *testing.T) {
	for name, limit := range map[string]int64{"": 0, "over the limit": 50} {
		t.Run(name, func(t *testing.T) {
			s := newDoneScene(t, nil, accept)
			folder := filepath.Dir(s.file)
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, err := w.Write([]byte(strings.Join(numbered(10), "\n") + "\nbroken"))
			require.NoError(t, err)
			require.NoError(t, w.Close())
			files := map[string][]byte{"a.txt": packed.Bytes()[:packed.Len()-3], "b.txt": []byte("whole\n"), "_SUCCESS": nil}
			require.NoError(t, os.Remove(s.file))
			for name, text := range files {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), text, 0o600))
			}
			unpacked, err := decompress.New(s.src, decompress.Config{})
			require.NoError(t, err)
			s.cfg.Source, err = quorum.New(unpacked, quorum.Config{Name: "_SUCCESS"})
			require.NoError(t, err)
			s.cfg.MaxObjectBytes = limit
			resp, err := s.request(t.Context(), &processor.Request{Object: &source.Object{Key: "in/_SUCCESS", Size: -1}})
			require.NoError(t, err)
			assert.EqualValues(t, 1, resp.CorruptionErrors)
			assert.NotContains(t, s.done.lines(), "whole")
			assert.Zero(t, resp.Removed)
			for name := range files {
				assert.FileExists(t, filepath.Join(folder, name))
			}
		})
	}
}
