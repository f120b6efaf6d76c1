package gs_test

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs"
)

func TestStatTellsSinceWhen(t *testing.T) {
	_, src, o := scene(t, nil)
	found, since, err := src.Stat(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, o, found)
	assert.Equal(t, o.ModTime.Add(time.Millisecond), since, "the time is cut to the millisecond")
	_, _, err = src.Stat(t.Context(), "b")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRemoveTakesNothingButWhatIsGiven(t *testing.T) {
	server := new(gcsfake.Server)
	for _, name := range []string{"in/a", "in/b", "in/c"} {
		server.Put("feed", name, "same", "")
	}
	src := open(t, server, gs.Config{})
	objects, err := list(t, src)
	require.NoError(t, err)
	server.Put("feed", "in/b", "same", "") // by somebody else, just now
	server.Delete("feed", "in/c")
	errs := src.Remove(t.Context(), objects)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], source.ErrChanged)
	require.ErrorIs(t, errs[2], fs.ErrNotExist)
	assert.Equal(t, []string{"feed/in/b"}, server.Objects())

	// By what little is known.
	require.ErrorIs(t, src.Remove(t.Context(), []source.Object{{Key: "b", Size: 5}})[0], source.ErrChanged)
	require.NoError(t, src.Remove(t.Context(), []source.Object{{Key: "b", Size: -1}})[0])
	assert.Empty(t, server.Objects())
}

func TestADeletionWhoseAnswerIsLostSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, src, o := scene(t, first("delete", 1, gcsfake.Fault{Lose: true}))
		require.NoError(t, src.Remove(t.Context(), []source.Object{o})[0])
		assert.Empty(t, server.Objects())

		server, src, o = scene(t, first("delete", 1, gcsfake.Fault{Status: 503}))
		require.NoError(t, src.Remove(t.Context(), []source.Object{o})[0])
		assert.Empty(t, server.Objects())

		server, src, o = scene(t, first("delete", always, gcsfake.Fault{Status: 503}))
		err := src.Remove(t.Context(), []source.Object{o})[0]
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
		assert.NotEmpty(t, server.Objects())
	})
}

func TestMove(t *testing.T) {
	server, src, o := scene(t, nil)
	require.NoError(t, src.Move(t.Context(), []source.Object{o}, "gs://attic/done/in")[0])
	assert.Equal(t, []string{"attic/done/in/a"}, server.Objects())
	body, _ := server.Body("attic", "done/in/a")
	assert.Equal(t, text, body)
	require.ErrorIs(t, src.Move(t.Context(), []source.Object{o}, "gs://attic/done")[0], fs.ErrNotExist)
}

func TestMoveIsRefused(t *testing.T) {
	server, src, o := scene(t, nil)
	err := src.Move(t.Context(), []source.Object{o}, "s3://attic/done")[0]
	require.ErrorContains(t, err, "unsupported")
	err = src.Move(t.Context(), []source.Object{o}, "gs://feed/in/done")[0]
	require.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
	err = src.Move(t.Context(), []source.Object{o}, "gs:///done")[0]
	require.ErrorContains(t, err, "Bucket")

	server.Put("feed", "in/a", text, "")
	err = src.Move(t.Context(), []source.Object{o}, "gs://attic")[0]
	require.ErrorIs(t, err, source.ErrChanged)
	assert.Equal(t, []string{"feed/in/a"}, server.Objects())
}

// What is in the way is left alone, unless it is the copy of one that was killed.
func TestMoveMeetsWhatIsInTheWay(t *testing.T) {
	for name, composed := range map[string]bool{"with MD5": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			server, src, o := scene(t, nil)
			server.Put("attic", "a", "another", "")
			if composed {
				server.Strip("feed", "in/a")
			}
			require.ErrorIs(t, src.Move(t.Context(), []source.Object{o}, "gs://attic")[0], fs.ErrExist)
			body, _ := server.Body("attic", "a")
			assert.Equal(t, "another", body)
			assert.Len(t, server.Objects(), 2)

			server.Put("attic", "a", text, "")
			require.NoError(t, src.Move(t.Context(), []source.Object{o}, "gs://attic")[0])
			assert.Equal(t, []string{"attic/a"}, server.Objects())
		})
	}
}

// What could not be compared with what is in the way is neither the same nor another.
func TestAMoveThatCannotCompareIsTriedAgain(t *testing.T) {
	for name, broken := range map[string]gcsfake.Fault{"not opened": {Status: 503}, "short": {End: 2}} {
		for _, bucket := range []string{"feed", "attic"} {
			t.Run(name+" "+bucket, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, src, o := scene(t, func(op string, r *http.Request) gcsfake.Fault {
						if op == "read" && strings.Contains(r.URL.Path, bucket) {
							return broken
						}
						return gcsfake.Fault{}
					})
					server.Put("attic", "a", text, "")
					server.Strip("feed", "in/a")
					err := src.Move(t.Context(), []source.Object{o}, "gs://attic")[0]
					require.NotErrorIs(t, err, fs.ErrExist)
					assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
					assert.Len(t, server.Objects(), 2)
				})
			})
		}
	}
}

// An object stays where its copy is something else.
func TestAMoveWhoseCopyIsWrongRemovesNothing(t *testing.T) {
	server, src, o := scene(t, first("rewrite", 1, gcsfake.Fault{Garble: true}))
	err := src.Move(t.Context(), []source.Object{o}, "gs://attic")[0]
	require.ErrorContains(t, err, "not what was copied")
	body, ok := server.Body("feed", "in/a")
	assert.True(t, ok)
	assert.Equal(t, text, body)
}

// A store that does not answer is waited for as long as Config.Timeout says.
func TestAMoveThatStallsIsInterrupted(t *testing.T) {
	for _, op := range []string{"get", "rewrite", "delete"} {
		synctest.Test(t, func(t *testing.T) {
			_, src, o := scene(t, first(op, always, gcsfake.Fault{Wait: 24 * time.Hour}))
			begun := time.Now()
			err := src.Move(t.Context(), []source.Object{o}, "gs://attic")[0]
			assert.True(t, fault.Is(err, fault.ClassInterrupted), "%s: %v", op, err)
			assert.Less(t, time.Since(begun), 10*time.Minute, op) // of fake time: five tries
		})
	}
}

func TestAMoveWhoseAnswersAreLostSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, op := range []string{"rewrite", "delete", "get"} {
			server, src, o := scene(t, first(op, 1, gcsfake.Fault{Lose: true}))
			require.NoError(t, src.Move(t.Context(), []source.Object{o}, "gs://attic")[0], op)
			assert.Equal(t, []string{"attic/a"}, server.Objects(), op)
		}
	})
}

// One that is replaced between the copy and the removal stays where it is.
func TestAnObjectThatIsReplacedWhileItIsMovedStays(t *testing.T) {
	server, src, o := scene(t, nil)
	server.Fault = func(op string, _ *http.Request) gcsfake.Fault {
		if op == "delete" {
			server.Put("feed", "in/a", "new", "")
		}
		return gcsfake.Fault{}
	}
	require.ErrorIs(t, src.Move(t.Context(), []source.Object{o}, "gs://attic")[0], source.ErrChanged)
	body, _ := server.Body("feed", "in/a")
	assert.Equal(t, "new", body)
}
