package processor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	cm "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

type mapSource map[string]string

func (m mapSource) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for k, v := range m {
			if !yield(source.Object{Key: k, Version: "1", Size: int64(len(v))}, nil) {
				return
			}
		}
	}
}

func (m mapSource) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	v, ok := m[o.Key]
	if !ok {
		return nil, o, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader([]byte(v[off:]))), o, nil
}

func TestSmoke(t *testing.T) {
	src := mapSource{}
	for i := range 1000 {
		src[fmt.Sprintf("f%d.json", i)] = fmt.Sprintf("// hi\n{\"id\":%d,\"x\":[1,2]}\n", i)
	}
	src["bad"] = "{oops}\n{\"id\":77777}"
	snk := memory.New(memory.Config{})
	dir := t.TempDir()
	svc, err := New(Config{
		Source: src, Claimer: cm.New(), Sink: snk,
		Transform: transform.Chain(transform.StripPreamble{}, transform.MustProject("id")),
		RetryURL:  dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
		Pack: Pack{TargetBytes: 1000},
	})
	require.NoError(t, err)
	rep, err := svc.Run(t.Context())
	text, _ := json.MarshalIndent(rep, "", " ")
	t.Log(string(text))
	require.NoError(t, err)
}
