package s3store_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/s3store"
)

const object = "s3://bucket/folder/object"

// large is an object of several pieces.
var large = noise(2*pieceLen + 1000)

// sizes are an object of one request and one of several.
var sizes = map[string]string{"small": "content", "large": large}

func begin(t *testing.T, m *s3store.Manager, content string) *s3store.Upload {
	t.Helper()
	u, err := m.Begin(t.Context(), object)
	require.NoError(t, err)
	_, err = io.WriteString(u, content)
	require.NoError(t, err)
	return u
}

// once is a fault of the first request of an operation, or of the first few.
func once(op string, f s3fake.Fault, times ...int64) func(string, *http.Request) s3fake.Fault {
	left := new(atomic.Int64)
	left.Store(1)
	if len(times) > 0 {
		left.Store(times[0])
	}
	return func(at string, _ *http.Request) s3fake.Fault {
		if at == op && left.Add(-1) >= 0 {
			return f
		}
		return s3fake.Fault{}
	}
}

// creates is the operation that creates an object.
func creates(size string) string {
	if size == "large" {
		return "CompleteMultipartUpload"
	}
	return "PutObject"
}

func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	for size, content := range sizes {
		for name, f := range map[string]func(string, *http.Request) s3fake.Fault{
			"once":    once(creates(size), s3fake.Fault{Lose: true}),
			"outage":  outage(creates(size)),
			"no look": noLook(creates(size)),
		} {
			t.Run(size+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := &s3fake.Server{Fault: f}
					m := manager(t, server.Client())
					u := begin(t, m, content)
					committed(t, u)
					require.NoError(t, u.Commit(t.Context()), "after success")
					require.NoError(t, u.Abort(t.Context()))
					assert.Equal(t, []string{"bucket/folder/object"}, server.Objects())
					assert.Len(t, read(t, m, object), len(content))
					assert.Zero(t, server.Uploads())
				})
			})
		}
	}
}

// committed commits as the processor does.
func committed(t *testing.T, u *s3store.Upload) {
	t.Helper()
	for range 10 {
		err := u.Commit(t.Context())
		if err == nil {
			return
		}
		require.ErrorIs(t, err, s3store.ErrUndecided)
		require.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	}
	t.Fatal("it is undecided for ever")
}

// outage loses the first answer of an operation, and is away for nine requests.
func outage(op string) func(string, *http.Request) s3fake.Fault {
	var n atomic.Int64
	return func(at string, _ *http.Request) s3fake.Fault {
		switch {
		case n.Load() == 0 && at != op, n.Load() > 9:
			return s3fake.Fault{}
		case n.Add(1) == 1:
			return s3fake.Fault{Lose: true}
		}
		return s3fake.Fault{Drop: true}
	}
}

// noLook loses the first answer of an operation, and lets nobody look for a while.
func noLook(op string) func(string, *http.Request) s3fake.Fault {
	lost, blind := once(op, s3fake.Fault{Lose: true}), once("HeadObject", s3fake.Fault{Status: 503}, 5)
	return func(at string, r *http.Request) s3fake.Fault {
		if at == op {
			return lost(at, r)
		}
		return blind(at, r)
	}
}

// The SDK repeats a request by itself, and is then refused for what it has done.
func TestTheSDKsOwnRetriesAreUnderstood(t *testing.T) {
	for size, content := range sizes {
		t.Run(size, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &s3fake.Server{Fault: once(creates(size), s3fake.Fault{Lose: true})}
				m := manager(t, server.Client(func(o *s3.Options) { o.Retryer = retry.NewStandard() }))
				require.NoError(t, begin(t, m, content).Commit(t.Context()))
				assert.Len(t, read(t, m, object), len(content))
			})
		})
	}
}

func TestWhatFailsMayBeCommittedLater(t *testing.T) {
	for _, f := range []s3fake.Fault{{Drop: true}, {Status: 500, Code: "InternalError"}, {Status: 503, Code: "SlowDown"}, {Status: 403, Code: "AccessDenied"}} {
		for size, content := range sizes {
			t.Run(size+" "+f.Code, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := &s3fake.Server{Fault: once(creates(size), f, 7)} // a Commit asks thrice
					u := begin(t, manager(t, server.Client()), content)
					for range 2 {
						err := u.Commit(t.Context())
						require.ErrorIs(t, err, s3store.ErrUndecided)
						assert.Equal(t, f.Status != 403, fault.Is(err, fault.ClassInterrupted), "%v", err)
						assert.ErrorContains(t, err, object)
						assert.Empty(t, server.Objects())
					}
					require.NoError(t, u.Commit(t.Context()))
				})
			})
		}
	}
}

func TestWhereSomebodyIsAtItIsTriedAgain(t *testing.T) {
	for size, content := range sizes {
		t.Run(size, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conflict := s3fake.Fault{Status: 409, Code: "ConditionalRequestConflict"}
				server := &s3fake.Server{Fault: once(creates(size), conflict, 3)}
				require.NoError(t, begin(t, manager(t, server.Client()), content).Commit(t.Context()))

				server = &s3fake.Server{Fault: once(creates(size), conflict, 1e6)}
				err := begin(t, manager(t, server.Client()), content).Commit(t.Context())
				require.ErrorIs(t, err, s3store.ErrUndecided)
				assert.True(t, fault.Is(err, fault.ClassInterrupted))
			})
		})
	}
}

func TestTheSameContentIsNotTheSameUpload(t *testing.T) {
	for size, content := range sizes {
		t.Run(size, func(t *testing.T) {
			server := new(s3fake.Server)
			m := manager(t, server.Client())
			committed(t, begin(t, m, content))
			other := begin(t, m, content)
			err := other.Commit(t.Context())
			require.ErrorIs(t, err, fs.ErrExist)
			require.NotErrorIs(t, err, s3store.ErrUndecided)
			require.NoError(t, other.Abort(t.Context()))
			assert.Zero(t, server.Uploads())
			require.Error(t, other.Commit(t.Context()), "after Abort")
			_, err = other.Write([]byte("x"))
			require.Error(t, err, "after Abort")
		})
	}
}

// An upload that somebody else aborted, such as a lifecycle rule, is lost.
func TestAnUploadThatIsGoneIsNotCommitted(t *testing.T) {
	server := new(s3fake.Server)
	m := manager(t, server.Client())
	u := begin(t, m, large)
	server.DropUploads()
	err := u.Commit(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, s3store.ErrUndecided)
	require.NotErrorIs(t, err, fs.ErrNotExist, "nothing was read")
	require.NoError(t, u.Abort(t.Context()), "there is nothing left to abort")

	u = begin(t, m, large)
	server.DropUploads()
	upload(t, m, object, "another's")
	err = u.Commit(t.Context())
	require.Error(t, err)
	assert.Equal(t, "another's", read(t, m, object))
	require.NoError(t, u.Abort(t.Context()))
}

func TestAPieceThatFailsEndsTheUpload(t *testing.T) {
	for _, which := range []int64{1, 2, 3} {
		var n atomic.Int64
		server := &s3fake.Server{Fault: func(op string, _ *http.Request) s3fake.Fault {
			if op == "UploadPart" && n.Add(1) == which {
				return s3fake.Fault{Status: 500, Code: "InternalError"}
			}
			return s3fake.Fault{}
		}}
		u, err := manager(t, server.Client()).Begin(t.Context(), object)
		require.NoError(t, err)
		for err == nil && n.Load() < 5 {
			_, err = io.WriteString(u, large)
		}
		for range 2 {
			err = u.Commit(t.Context())
			require.Error(t, err)
			require.NotErrorIs(t, err, s3store.ErrUndecided)
			assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
			assert.NotErrorIs(t, err, context.Canceled, "it is the first failure that is told")
		}
		require.NoError(t, u.Abort(t.Context()))
		assert.Zero(t, server.Uploads())
		assert.Empty(t, server.Objects())
	}
}

func TestWhatIsGivenUpIsAborted(t *testing.T) {
	broken := errors.New("the reader is broken")
	start := func(t *testing.T) (*s3fake.Server, *s3store.Manager) {
		server := new(s3fake.Server)
		return server, manager(t, server.Client())
	}
	nothing := func(t *testing.T, server *s3fake.Server) {
		assert.Zero(t, server.Uploads())
		assert.Empty(t, server.Objects())
	}
	t.Run("reader fails", func(t *testing.T) {
		server, m := start(t)
		err := m.Upload(t.Context(), object, 0, io.MultiReader(strings.NewReader(large), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
		nothing(t, server)
	})
	t.Run("reader panics", func(t *testing.T) {
		server, m := start(t)
		assert.PanicsWithValue(t, "oops", func() {
			_ = m.Upload(t.Context(), object, 0, io.MultiReader(strings.NewReader(large), panicking{}))
		})
		nothing(t, server)
	})
	t.Run("context ends", func(t *testing.T) {
		server, m := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := m.Upload(ctx, object, 0, io.MultiReader(strings.NewReader(large), after(cancel), strings.NewReader(large)))
		require.ErrorIs(t, err, context.Canceled)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		nothing(t, server)
	})
	t.Run("Close of a writer whose context ended", func(t *testing.T) {
		server, m := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		w, err := m.NewWriter(ctx, object, 0)
		require.NoError(t, err)
		_, err = io.WriteString(w, large)
		require.NoError(t, err)
		cancel()
		require.ErrorIs(t, w.Close(), context.Canceled)
		nothing(t, server)
	})
	t.Run("the store refuses to abort", func(t *testing.T) {
		server := &s3fake.Server{Fault: once("AbortMultipartUpload", s3fake.Fault{Status: 503, Code: "SlowDown"})}
		u := begin(t, manager(t, server.Client()), large)
		require.ErrorContains(t, u.Abort(t.Context()), "SlowDown")
		require.NoError(t, u.Abort(t.Context()), "a second time")
		assert.Equal(t, 1, server.Uploads(), "left to the lifecycle rule")
	})
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("oops") }

// after is an empty reader that calls f.
func after(f func()) io.Reader { return afterReader(f) }

type afterReader func()

func (f afterReader) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestUploadDoesNotAskForEver(t *testing.T) {
	for size, content := range sizes {
		synctest.Test(t, func(t *testing.T) {
			server := &s3fake.Server{Fault: once(creates(size), s3fake.Fault{Drop: true}, 1e6)}
			err := manager(t, server.Client()).Upload(t.Context(), object, 0, strings.NewReader(content))
			require.ErrorIs(t, err, s3store.ErrUndecided)
			assert.Zero(t, server.Uploads())
		})
	}
}

// The end of one Commit's context does not lose the pieces that are on their way.
func TestACommitThatHadNoTimeMayBeCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &s3fake.Server{Fault: func(op string, _ *http.Request) s3fake.Fault {
			if op == "UploadPart" {
				return s3fake.Fault{Wait: time.Minute}
			}
			return s3fake.Fault{}
		}}
		m := manager(t, server.Client())
		content := noise(3*pieceLen + 1000) // three pieces on their way fill all the slots
		u := begin(t, m, content)
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := u.Commit(ctx)
			cancel()
			require.ErrorIs(t, err, s3store.ErrUndecided)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.NoError(t, u.Commit(t.Context()))
		assert.Len(t, read(t, m, object), len(content))
	})
}

func TestAbortDoesNotWaitForSlowPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &s3fake.Server{Fault: func(op string, _ *http.Request) s3fake.Fault {
			if op == "UploadPart" {
				return s3fake.Fault{Wait: 24 * time.Hour}
			}
			return s3fake.Fault{}
		}}
		began := time.Now()
		u := begin(t, manager(t, server.Client()), large)
		require.NoError(t, u.Abort(t.Context()))
		assert.Zero(t, time.Since(began))
		assert.Zero(t, server.Uploads())
	})
}

// Pieces that the SDK sends again must not change under its hands.
func TestPiecesThatAreSentAgainArriveAsTheyWere(t *testing.T) {
	var n atomic.Int64
	server := &s3fake.Server{Fault: func(op string, _ *http.Request) s3fake.Fault {
		if op == "UploadPart" && n.Add(1)%3 != 0 {
			return s3fake.Fault{Lose: n.Load()%2 == 0, Drop: n.Load()%2 != 0}
		}
		return s3fake.Fault{}
	}}
	m := manager(t, server.Client(func(o *s3.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 100, time.Millisecond
			o.RateLimiter = ratelimit.None
		})
	}))
	content := noise(4*pieceLen + 5)
	upload(t, m, object, content)
	if read(t, m, object) != content {
		t.Error("the content is another")
	}
}

// Memory is what the documentation says, whatever the object's size.
func TestMemoryDoesNotGrowWithTheObject(t *testing.T) {
	const total, parallel = 24 * pieceLen, 3
	var mu sync.Mutex // of all that follows
	var most uint64
	var now, atOnce int
	server := &s3fake.Server{Forget: true, Fault: func(op string, _ *http.Request) s3fake.Fault {
		if op != "UploadPart" {
			return s3fake.Fault{}
		}
		mu.Lock()
		now++
		atOnce = max(atOnce, now)
		mu.Unlock()
		live := alive()
		mu.Lock()
		now--
		most = max(most, live)
		mu.Unlock()
		return s3fake.Fault{}
	}}
	before := alive()
	u, err := manager(t, server.Client()).Begin(t.Context(), object)
	require.NoError(t, err)
	line := []byte(large[:100_000])
	for n := 0; n < total; n += len(line) {
		_, err := u.Write(line)
		require.NoError(t, err)
	}
	require.NoError(t, u.Commit(t.Context()))
	size, _ := server.Size("bucket/folder/object")
	assert.GreaterOrEqual(t, size, int64(total))
	assert.LessOrEqual(t, atOnce, parallel)
	// One is being filled, and a pool may keep as many as are on their way.
	assert.Less(t, int64(most)-int64(before), int64((2*parallel+2)*pieceLen))
	t.Logf("%d MiB held for %d MiB", (int64(most)-int64(before))>>20, size>>20)
}
