package gsstore_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/gsstore"
)

const object = "gs://bucket/folder/object"

// sizes are an object of one request and one of several.
var sizes = map[string]string{"small": "content", "large": noise(2*chunk + 1000)}

func begin(t *testing.T, m *gsstore.Manager, content string) *gsstore.Upload {
	t.Helper()
	u, err := m.Begin(t.Context(), object)
	require.NoError(t, err)
	_, err = io.WriteString(u, content)
	require.NoError(t, err)
	return u
}

// creates reports whether a request is the one that creates the object.
func creates(op string, r *http.Request) bool {
	return op == "insert" || op == "chunk" && !strings.HasSuffix(r.Header.Get("Content-Range"), "/*")
}

// when is a fault of the first few requests that create the object.
func when(times int64, f gcsfake.Fault) func(string, *http.Request) gcsfake.Fault {
	var n atomic.Int64
	return func(op string, r *http.Request) gcsfake.Fault {
		if creates(op, r) && n.Add(1) <= times {
			return f
		}
		return gcsfake.Fault{}
	}
}

func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	for size, content := range sizes {
		for name, f := range map[string]func(string, *http.Request) gcsfake.Fault{
			"once":    when(1, gcsfake.Fault{Lose: true}),
			"twice":   when(2, gcsfake.Fault{Lose: true}),
			"no look": noLook(),
		} {
			t.Run(size+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := &gcsfake.Server{Fault: f}
					m := managerOf(t, server)
					u := begin(t, m, content)
					committed(t, u)
					require.NoError(t, u.Commit(t.Context()), "after success")
					require.NoError(t, u.Abort(t.Context()))
					assert.Equal(t, []string{"bucket/folder/object"}, server.Objects())
					server.Fault = nil
					assert.Len(t, read(t, m, object), len(content))
				})
			})
		}
	}
}

// noLook loses the first answer, and lets nobody look for a while.
func noLook() func(string, *http.Request) gcsfake.Fault {
	lost := when(1, gcsfake.Fault{Lose: true})
	var blind atomic.Int64
	return func(op string, r *http.Request) gcsfake.Fault {
		if op == "get" && blind.Add(1) <= 12 {
			return gcsfake.Fault{Status: 503}
		}
		return lost(op, r)
	}
}

// committed commits as the processor does.
func committed(t *testing.T, u *gsstore.Upload) {
	t.Helper()
	for range 10 {
		err := u.Commit(t.Context())
		if err == nil {
			return
		}
		require.ErrorIs(t, err, gsstore.ErrUndecided)
		require.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	}
	t.Fatal("it is undecided for ever")
}

func TestWhatFailsMayBeCommittedLater(t *testing.T) {
	for _, f := range []gcsfake.Fault{
		{Drop: true}, {Status: 500}, {Status: 503}, {Status: 429}, {Status: 403, Reason: "forbidden"},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &gcsfake.Server{Fault: when(12, f)}
			u := begin(t, managerOf(t, server), "content")
			for range 2 {
				err := u.Commit(t.Context())
				require.ErrorIs(t, err, gsstore.ErrUndecided)
				assert.Equal(t, f.Status != 403, fault.Is(err, fault.ClassInterrupted), "%v", err)
				assert.ErrorContains(t, err, object)
				assert.Empty(t, server.Objects())
			}
			require.NoError(t, u.Commit(t.Context()))
		})
	}
}

func TestTheSameContentIsNotTheSameUpload(t *testing.T) {
	for size, content := range sizes {
		t.Run(size, func(t *testing.T) {
			server := new(gcsfake.Server)
			m := managerOf(t, server)
			other := begin(t, m, content)
			committed(t, begin(t, m, content))
			err := other.Commit(t.Context())
			require.ErrorIs(t, err, fs.ErrExist)
			require.NotErrorIs(t, err, gsstore.ErrUndecided)
			require.NoError(t, other.Abort(t.Context()))
			require.Error(t, other.Commit(t.Context()), "after Abort")
			_, err = other.Write([]byte("x"))
			require.Error(t, err, "after Abort")
		})
	}
}

func TestAChunkThatFailsIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		server := &gcsfake.Server{Fault: func(op string, _ *http.Request) gcsfake.Fault {
			if op == "chunk" && n.Add(1)%2 == 0 {
				return gcsfake.Fault{Status: 503}
			}
			return gcsfake.Fault{}
		}}
		m := managerOf(t, server)
		content := noise(6*chunk + 5)
		committed(t, begin(t, m, content))
		assert.True(t, content == read(t, m, object), "it came back as another") //nolint:testifylint // not to be printed
	})
}

// A large upload cannot be sent again: it fails, and nothing of it is seen.
func TestAStreamThatEndsInAnOutageLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		server := &gcsfake.Server{Fault: func(op string, _ *http.Request) gcsfake.Fault {
			return gcsfake.Fault{Drop: away.Load() && op == "chunk"}
		}}
		u := begin(t, managerOf(t, server), sizes["large"])
		away.Store(true)
		err := u.Commit(t.Context())
		require.Error(t, err)
		require.NotErrorIs(t, err, gsstore.ErrUndecided)
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
		require.NoError(t, u.Abort(t.Context()))
		assert.Empty(t, server.Objects())
	})
}

func TestNothingIsSeenOfWhatIsAborted(t *testing.T) {
	for size, content := range sizes {
		server := new(gcsfake.Server)
		u := begin(t, managerOf(t, server), content)
		require.NoError(t, u.Abort(t.Context()), size)
		require.NoError(t, u.Abort(t.Context()), "a second time")
		assert.Empty(t, server.Objects(), size)
	}
}

func TestTheEndOfTheContextEndsAnUpload(t *testing.T) {
	for size, content := range sizes {
		ctx, cancel := context.WithCancel(t.Context())
		server := new(gcsfake.Server)
		u, err := managerOf(t, server).Begin(ctx, object)
		require.NoError(t, err)
		_, err = io.WriteString(u, content)
		require.NoError(t, err)
		cancel()
		err = u.Close()
		require.ErrorIs(t, err, context.Canceled, size)
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
		assert.Empty(t, server.Objects(), size)
	}
}

func TestAReaderThatFailsWritesNothing(t *testing.T) {
	broken := errors.New("broken")
	for size, content := range sizes {
		server := new(gcsfake.Server)
		m := managerOf(t, server)
		err := m.Upload(t.Context(), object, 0, io.MultiReader(strings.NewReader(content), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, size)
		assert.PanicsWithValue(t, "reader", func() {
			_ = m.Upload(t.Context(), object, 0, io.MultiReader(strings.NewReader(content), panicking{}))
		})
		assert.Empty(t, server.Objects(), size)
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("reader") }

// What arrives as something else is not taken.
func TestWhatIsChangedOnTheWayIsRefused(t *testing.T) {
	for size, content := range sizes {
		synctest.Test(t, func(t *testing.T) {
			server := &gcsfake.Server{Fault: when(1<<40, gcsfake.Fault{Garble: true})}
			require.Error(t, managerOf(t, server).Upload(t.Context(), object, 0, strings.NewReader(content)), size)
			assert.Empty(t, server.Objects(), size)
		})
	}
	server := &gcsfake.Server{Fault: when(1, gcsfake.Fault{Garble: true})}
	m := managerOf(t, server)
	upload(t, m, object, "content")
	assert.Equal(t, "content", read(t, m, object), "it was sent again")
}

func TestABodyThatIsCutIsReadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := new(gcsfake.Server)
		m := managerOf(t, server)
		content := noise(100_000)
		upload(t, m, object, content)
		var n atomic.Int64
		server.Fault = func(op string, _ *http.Request) gcsfake.Fault {
			if op == "read" && n.Add(1) < 5 {
				return gcsfake.Fault{Cut: 10_000}
			}
			return gcsfake.Fault{}
		}
		assert.Equal(t, content, read(t, m, object))

		server.Fault = func(op string, _ *http.Request) gcsfake.Fault {
			if op == "read" {
				return gcsfake.Fault{End: 10, Announce: -1}
			}
			return gcsfake.Fault{}
		}
		r, err := m.OpenURL(t.Context(), object)
		require.NoError(t, err)
		defer r.Close()
		_, err = io.ReadAll(r)
		require.Error(t, err, "it is no end")
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	})
}

// An object of any size passes in the memory of a chunk.
func TestMemoryIsBoundedByAChunk(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector has memory of its own")
	}
	server := &gcsfake.Server{Forget: true}
	client, err := server.Client()
	require.NoError(t, err)
	m, err := gsstore.New(client, gsstore.Config{ChunkBytes: 4 * chunk})
	require.NoError(t, err)
	u, err := m.Begin(t.Context(), object)
	require.NoError(t, err)
	piece, most := make([]byte, 64<<10), uint64(0)
	const size = 128 << 20
	for n := 0; n < size; n += len(piece) {
		_, err := u.Write(piece)
		require.NoError(t, err)
		if n%(16<<20) == 0 {
			runtime.GC()
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			most = max(most, mem.HeapAlloc)
		}
	}
	require.NoError(t, u.Commit(t.Context()))
	stored, _ := server.Size("bucket", "folder/object")
	assert.EqualValues(t, size, stored)
	assert.Less(t, most, uint64(48<<20))
}

func TestAnUploadThatStallsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &gcsfake.Server{Fault: when(1<<40, gcsfake.Fault{Wait: 24 * time.Hour})}
		u := begin(t, managerOf(t, server), "content")
		err := u.Commit(t.Context())
		require.ErrorIs(t, err, gsstore.ErrUndecided)
		assert.ErrorContains(t, err, "nothing came")
	})
}
