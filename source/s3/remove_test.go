package s3_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

func TestStatTellsSinceWhenAnObjectIsThere(t *testing.T) {
	f := &fake{}
	c := f.put("in/a", "whole")
	s := open(t, f, s3.Config{})
	o, since, err := s.Stat(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, listed(t, s), o)
	assert.False(t, since.Before(c.modified), "S3 tells seconds")
	assert.WithinDuration(t, c.modified, since, time.Second)

	f.put("in/parts", "uploaded in parts").etag = `"0123456789abcdef0123456789abcdef-2"`
	_, since, err = s.Stat(t.Context(), "parts")
	require.NoError(t, err)
	assert.Zero(t, since, "Last-Modified is when the upload began")

	_, _, err = s.Stat(t.Context(), "gone")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRemoveRemovesOnlyWhatIsGiven(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	var objects []source.Object
	for _, key := range []string{"a", "changed", "gone", "b"} {
		f.put("in/"+key, "old "+key)
		o, _, err := s.Stat(t.Context(), key)
		require.NoError(t, err)
		objects = append(objects, o)
	}
	f.put("in/changed", "new")
	f.remove("in/gone")
	errs := s.Remove(t.Context(), append(objects, object("never/was")))
	require.Len(t, errs, 5)
	assert.NoError(t, errs[0])
	assert.ErrorIs(t, errs[1], source.ErrChanged)
	assert.ErrorContains(t, errs[1], `"changed"`)
	assert.ErrorIs(t, errs[2], fs.ErrNotExist)
	assert.NoError(t, errs[3])
	assert.ErrorIs(t, errs[4], fs.ErrNotExist)
	assert.Equal(t, []string{"changed"}, keys(t, s))
	assert.Equal(t, "new", f.body("feed", "in/changed"))
}

func TestAnObjectWithoutAVersionIsComparedBeforeItIsRemoved(t *testing.T) {
	f := &fake{}
	f.put("in/a", "12345")
	s := open(t, f, s3.Config{})
	assert.ErrorIs(t, s.Remove(t.Context(), []source.Object{{Key: "a", Size: 4}})[0], source.ErrChanged)
	assert.NoError(t, s.Remove(t.Context(), []source.Object{{Key: "a", Size: 5}})[0])
}

func TestAStoreThatIgnoresTheConditionOfADeletionIsRefused(t *testing.T) {
	f := &fake{ignores: map[string]bool{"DELETE If-Match": true}}
	s := open(t, f, s3.Config{})
	var objects []source.Object
	for i := range 50 {
		f.put("in/"+string(rune('A'+i)), "x")
	}
	for o := range s.Objects(t.Context()) {
		objects = append(objects, o)
	}
	removed := 0
	for _, err := range s.Remove(t.Context(), objects) {
		if err == nil {
			removed++
			continue
		}
		assert.ErrorIs(t, err, s3.ErrIgnoresConditions)
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
	assert.Equal(t, 1, removed, "that one was seen to be the one given")
	assert.Len(t, keys(t, s), 49)
}

func TestTheConditionOfADeletionIsProvenOnce(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	for range 3 {
		f.put("in/a", "x")
		require.NoError(t, s.Remove(t.Context(), []source.Object{listed(t, s)})[0])
	}
	assert.Len(t, f.requests("DeleteObject"), 4)
	assert.Len(t, f.requests("HeadObject"), 1)
}

// twoTimes loses the answers to the first two requests of an operation.
func twoTimes(op string) func(*http.Request) bool {
	var n atomic.Int64
	return func(r *http.Request) bool { return operation(r) == op && n.Add(1) <= 2 }
}

func TestARemovalWhoseAnswerIsLostIsARemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := open(t, f, s3.Config{})
		f.put("in/a", "x")
		require.NoError(t, s.Remove(t.Context(), []source.Object{listed(t, s)})[0])
		f.put("in/a", "x")
		o := listed(t, s)
		f.lose = twoTimes("DeleteObject")
		require.NoError(t, s.Remove(t.Context(), []source.Object{o})[0])

		f.lose = nil
		assert.ErrorIs(t, s.Remove(t.Context(), []source.Object{o})[0], fs.ErrNotExist, "but what was not there was not removed")

		f.lose = func(r *http.Request) bool { return operation(r) == "DeleteObject" }
		f.put("in/a", "x")
		err := s.Remove(t.Context(), []source.Object{listed(t, s)})[0]
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "without any answer it is unknown")
	})
}

func TestARemovalThatIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := open(t, f, s3.Config{})
		f.put("in/a", "x")
		o := listed(t, s)
		f.fail = func(r *http.Request) *http.Response {
			if operation(r) == "DeleteObject" {
				return refusal(r, 503, "SlowDown")
			}
			return nil
		}
		err := s.Remove(t.Context(), []source.Object{o})[0]
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		f.fail = nil
		assert.NoError(t, s.Remove(t.Context(), []source.Object{o})[0])
	})
}

// three stores objects and returns them.
func three(t testing.TB, f *fake, s *s3.Source) []source.Object {
	t.Helper()
	var objects []source.Object
	for _, key := range []string{"a + b/%41", "b", "c"} {
		f.put("in/"+key, "of "+key).meta = http.Header{"Content-Type": {"application/x-test"}}
	}
	for o, err := range s.Objects(t.Context()) {
		require.NoError(t, err)
		objects = append(objects, o)
	}
	require.Len(t, objects, 3)
	return objects
}

func TestMove(t *testing.T) {
	for name, inParts := range map[string]int64{"at once": 0, "in parts": 2} {
		t.Run(name, func(t *testing.T) {
			for _, to := range []string{"s3://feed/done", "s3://feed/done/", "s3://other/", "s3://other"} {
				f := &fake{}
				s := open(t, f, s3.Config{})
				objects := three(t, f, s)
				if inParts > 0 {
					s.CopyInParts(inParts)
				}
				for _, err := range s.Move(t.Context(), objects, to) {
					require.NoError(t, err)
				}
				assert.Empty(t, keys(t, s))
				bucket, prefix, _ := strings.Cut(strings.TrimPrefix(to, "s3://"), "/")
				if prefix != "" {
					prefix = strings.TrimSuffix(prefix, "/") + "/"
				}
				for _, o := range objects {
					assert.Equal(t, "of "+o.Key, f.body(bucket, prefix+o.Key))
					assert.Equal(t, "application/x-test", f.buckets[bucket][prefix+o.Key].meta.Get("Content-Type"))
				}
				assert.Empty(t, f.uploads)
			}
		})
	}
}

func TestMoveReplacesNothing(t *testing.T) {
	for name, inParts := range map[string]int64{"at once": 0, "in parts": 2} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			s := open(t, f, s3.Config{})
			objects := three(t, f, s)
			if inParts > 0 {
				s.CopyInParts(inParts)
			}
			for range 2 { // whether or not the store was proven before
				f.put("done/"+objects[0].Key, "something else")
				f.put("done/b", "oF b") // of the same size
				errs := s.Move(t.Context(), objects[:2], "s3://feed/done")
				assert.ErrorIs(t, errs[0], fs.ErrExist)
				assert.ErrorIs(t, errs[1], fs.ErrExist)
				require.NoError(t, s.Move(t.Context(), objects[2:], "s3://feed/done")[0])
				assert.Equal(t, []string{objects[0].Key, "b"}, keys(t, s))
				assert.Equal(t, "something else", f.body("feed", "done/"+objects[0].Key))
				f.put("in/c", "of c")
				f.remove("done/c")
				objects[2], _, _ = s.Stat(t.Context(), "c")
			}
			assert.Empty(t, f.uploads)
		})
	}
}

// Whoever was killed between the copy and the removal left the copy behind.
func TestWhatIsTheSameInTheWayIsTheCopy(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	for _, o := range objects {
		f.put("done/"+o.Key, "of "+o.Key)
	}
	for _, err := range s.Move(t.Context(), objects, "s3://feed/done") {
		require.NoError(t, err)
	}
	assert.Empty(t, keys(t, s))
}

func TestMoveLeavesWhatIsAnother(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	require.NoError(t, s.Move(t.Context(), objects[2:], "s3://feed/done")[0])
	f.put("in/b", "new")
	f.remove("in/" + objects[0].Key)
	errs := s.Move(t.Context(), objects[:2], "s3://feed/done")
	assert.ErrorIs(t, errs[0], fs.ErrNotExist)
	assert.ErrorIs(t, errs[1], source.ErrChanged)
	assert.Equal(t, []string{"b"}, keys(t, s))
	assert.Empty(t, f.body("feed", "done/b"))
}

// An object that is replaced between the copy and the removal stays.
func TestAnObjectReplacedAfterItWasCopied(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	require.NoError(t, s.Move(t.Context(), objects[2:], "s3://feed/done")[0])
	f.alter = func(r *http.Request, _ *http.Response) {
		if operation(r) == "CopyObject" {
			f.put("in/b", "new")
		}
	}
	assert.ErrorIs(t, s.Move(t.Context(), objects[1:2], "s3://feed/done")[0], source.ErrChanged)
	assert.Equal(t, "new", f.body("feed", "in/b"))
	assert.Equal(t, "of b", f.body("feed", "done/b"))
}

func TestATargetThatIgnoresTheConditionOfACopyIsRefused(t *testing.T) {
	f := &fake{ignores: map[string]bool{"COPY If-None-Match": true, "COMPLETE If-None-Match": true}}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	f.put("done/b", "something else")
	for i := range 3 {
		err := s.Move(t.Context(), objects[i:i+1], "s3://feed/done")[0]
		if i == 1 {
			assert.Error(t, err)
			continue
		}
		assert.ErrorIs(t, err, s3.ErrIgnoresConditions)
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
	assert.Len(t, keys(t, s), 3)
	assert.Equal(t, "something else", f.body("feed", "done/b"))
}

func TestATargetThatObeysTheConditionOfUploadsOnly(t *testing.T) {
	f := &fake{ignores: map[string]bool{"COPY If-None-Match": true}}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	f.put("in/empty", "")
	empty, _, err := s.Stat(t.Context(), "empty")
	require.NoError(t, err)
	f.put("done/b", "something else")
	errs := s.Move(t.Context(), append(objects, empty), "s3://feed/done")
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], fs.ErrExist)
	require.NoError(t, errs[2])
	require.NoError(t, errs[3])
	assert.Equal(t, []string{"b"}, keys(t, s))
	assert.Equal(t, "something else", f.body("feed", "done/b"))
	assert.Equal(t, "of c", f.body("feed", "done/c"))
	assert.NotNil(t, f.buckets["feed"]["done/empty"])
	assert.Len(t, f.requests("CopyObject"), 2, "the proof")
	assert.Empty(t, f.uploads)
}

func TestACopyThatIsNotWhatWasCopied(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	f.alter = func(r *http.Request, _ *http.Response) {
		if operation(r) == "CopyObject" {
			f.put("done/b", "of other")
		}
	}
	assert.ErrorContains(t, s.Move(t.Context(), objects[1:2], "s3://feed/done")[0], "the copy is not what was copied")
	assert.Len(t, keys(t, s), 3)
}

func TestTargetsThatAreNone(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	for _, to := range []string{"file:///archive", "/archive", "gs://bucket/archive"} {
		for _, err := range s.Move(t.Context(), objects, to) {
			assert.ErrorIs(t, err, errors.ErrUnsupported, to)
		}
	}
	for _, to := range []string{"s3://", "s3://feed/in", "s3://feed/in/done"} {
		for _, err := range s.Move(t.Context(), objects, to) {
			require.Error(t, err, to)
			assert.NotErrorIs(t, err, errors.ErrUnsupported, to)
		}
	}
	assert.Len(t, keys(t, s), 3)
}

func TestAMoveWhoseAnswersAreLost(t *testing.T) {
	for _, inParts := range []int64{0, 2} {
		for _, op := range []string{"CopyObject", "CompleteMultipartUpload", "DeleteObject", "HeadObject", "UploadPartCopy", "CreateMultipartUpload", "AbortMultipartUpload"} {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				s := open(t, f, s3.Config{})
				objects := three(t, f, s)
				if inParts > 0 {
					s.CopyInParts(inParts)
				}
				f.lose = twoTimes(op)
				for range 3 {
					for i, err := range s.Move(t.Context(), objects, "s3://feed/done") {
						if err != nil {
							assert.True(t, fault.Is(err, fault.ClassInterrupted) || errors.Is(err, fs.ErrNotExist), "%s of %s: %v", op, objects[i].Key, err)
						}
					}
				}
				assert.Empty(t, keys(t, s), op)
				for _, o := range objects {
					assert.Equal(t, "of "+o.Key, f.body("feed", "done/"+o.Key), op)
				}
			})
		}
	}
}

func TestAnUploadThatFailsIsGivenUp(t *testing.T) {
	f := &fake{}
	s := open(t, f, s3.Config{})
	objects := three(t, f, s)
	s.CopyInParts(2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.fail = func(r *http.Request) *http.Response {
		if operation(r) == "UploadPartCopy" && r.URL.Query().Get("partNumber") == "2" {
			cancel()
			return refusal(r, 500, "InternalError")
		}
		return nil
	}
	require.Error(t, s.Move(ctx, objects[1:2], "s3://feed/done")[0])
	assert.Len(t, f.requests("CreateMultipartUpload"), 1)
	assert.Len(t, f.requests("AbortMultipartUpload"), 1, "also after the context has ended")
	assert.Empty(t, f.uploads)
	assert.Len(t, keys(t, s), 3)
}
