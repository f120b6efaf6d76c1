package mirror_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/s3store"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// bucket registers a store for URLs of a scheme.
func bucket(t testing.TB, scheme string, server *s3fake.Server) {
	t.Helper()
	manager, err := s3store.New(server.Client(), s3store.Config{})
	require.NoError(t, err)
	afs.GetRegistry().Register(scheme, func(...storage.Option) (storage.Manager, error) { return manager, nil })
}

// A bucket keeps every promise that a folder does, also where an answer is lost.
func TestCopyToABucket(t *testing.T) {
	for name, read := range ways {
		t.Run(name, func(t *testing.T) {
			server := &s3fake.Server{}
			var lost atomic.Bool
			server.Fault = func(op string, _ *http.Request) s3fake.Fault {
				return s3fake.Fault{Lose: op == "PutObject" && lost.CompareAndSwap(false, true)}
			}
			scheme := "mirror" + name
			bucket(t, scheme, server)
			m := sourcetest.NewMemory(map[string]string{"a/b.json": "one"})
			s := mirrored(t, m, scheme+"://bucket/copies")
			for _, content := range []string{"one", "two", "two"} {
				if content == "two" {
					m.Put("a/b.json", []byte(content))
				}
				got, err := read(t.Context(), s, "a/b.json")
				require.NoError(t, err)
				assert.Equal(t, content, got)
			}
			assert.True(t, lost.Load())
			assert.Len(t, server.Objects(), 3, "one for each version")
		})
	}
}

// A bucket that is away keeps objects from being read, and costs them nothing.
func TestABucketThatIsAway(t *testing.T) {
	server := &s3fake.Server{Fault: func(string, *http.Request) s3fake.Fault { return s3fake.Fault{Drop: true} }}
	bucket(t, "mirroraway", server)
	got, err := read(t.Context(), mirrored(t, sourcetest.NewMemory(map[string]string{"a": strings.Repeat("x", 100)}), "mirroraway://bucket/copies"), "a")
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	assert.Empty(t, got)
}
