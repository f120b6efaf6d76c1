package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
)

// bucket is a source that moves objects by itself to where nobody else can.
type bucket struct {
	*dir.Source
	moved []string
	errs  map[string]error
}

func (b *bucket) URL() string { return "s3://bucket/in/" }

func (b *bucket) Move(ctx context.Context, objects []source.Object, to string) []error {
	errs := make([]error, len(objects))
	for i, o := range objects {
		if errs[i] = b.errs[o.Key]; errs[i] == nil {
			errs[i] = b.Remove(ctx, objects[i:i+1])[0]
			b.moved = append(b.moved, to+"/"+o.Key)
		}
	}
	return errs
}

// finishedFolder is a folder of files that are all finished.
func finishedFolder(t *testing.T, files map[string]string) (*dir.Source, *memory.Store) {
	t.Helper()
	folder := t.TempDir()
	keys := make([]string, 0, len(files))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
		keys = append(keys, name)
	}
	src, err := dir.Open(folder, dir.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = src.Close() })
	store := memory.New()
	results, err := store.Claim(t.Context(), "worker", "nonce", keys, time.Minute)
	require.NoError(t, err)
	leases := make([]claim.Lease, len(results))
	for i, r := range results {
		leases[i] = r.Lease
	}
	require.NoError(t, store.Complete(t.Context(), leases))
	return src, store
}

// Where only the source itself can move objects to, it does, or they stay.
func TestArchiveToWhereTheSourceMovesByItself(t *testing.T) {
	folder, store := finishedFolder(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"})
	src := &bucket{Source: folder, errs: map[string]error{
		"b": fmt.Errorf("in the way: %w", fs.ErrExist),
		"c": fmt.Errorf("other partition: %w", errors.ErrUnsupported),
	}}
	cfg := processor.ArchiveConfig{Source: src, Claims: store, To: "s3://bucket/done"}
	r, err := processor.Archive(t.Context(), cfg)
	require.Error(t, err)
	slices.Sort(src.moved)
	assert.Equal(t, []string{"s3://bucket/done/a", "s3://bucket/done/d"}, src.moved)
	assert.Equal(t, []int64{2, 0, 1, 1}, []int64{r.Archived, r.Copied, r.Collided, r.Failed})
	counts, err := store.Count(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 2, counts.Finished, "what stayed is not forgotten")

	cfg.Source = struct {
		source.Source
		source.Remover
	}{folder, folder}
	_, err = processor.Archive(t.Context(), cfg)
	require.ErrorContains(t, err, "To: s3://bucket/done is no folder of this machine")
}

// A source that decodes what is stored does not have it archived decoded.
func TestArchiveTakesObjectsAsTheyAreStored(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.gz")
	file, err := os.Create(name)
	require.NoError(t, err)
	z := gzip.NewWriter(file)
	_, err = z.Write([]byte(`{"id":1}`))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, file.Close())
	stored, err := os.ReadFile(name)
	require.NoError(t, err)

	folder, store := finishedFolder(t, map[string]string{"a.gz": string(stored)})
	src, err := decompress.New(struct { // no Mover: it has to be copied
		source.Source
		source.Remover
	}{folder, folder}, decompress.Config{})
	require.NoError(t, err)
	to := t.TempDir()
	r, err := processor.Archive(t.Context(), processor.ArchiveConfig{Source: src, Claims: store, To: to})
	require.NoError(t, err)
	assert.EqualValues(t, 1, r.Copied)
	copied, err := os.ReadFile(filepath.Join(to, "a.gz"))
	require.NoError(t, err)
	assert.Equal(t, stored, copied)
}
