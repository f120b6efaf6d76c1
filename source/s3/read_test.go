package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
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

// long returns n bytes of which no stretch looks like another.
func long(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%07d\n", i)
	}
	return b.String()[:n]
}

// same compares without printing thousands of bytes.
func same(t testing.TB, want, got string) {
	t.Helper()
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	if want != got {
		t.Errorf("got %d bytes, want %d; they differ from byte %d on", len(got), len(want), at)
	}
}

// listed returns the only object of a source.
func listed(t testing.TB, s source.Source) source.Object {
	t.Helper()
	for o, err := range s.Objects(t.Context()) {
		require.NoError(t, err)
		return o
	}
	t.Fatal("nothing is listed")
	return source.Object{}
}

// inParts reads in parts of 1,000 bytes, four at a time.
var inParts = s3.Config{PartBytes: 1000, AheadBytes: 3000}

// onRead has do change the answer to a GET, from the nth on for as many as there
// are times.
func onRead(n, times int, do func(*http.Response)) func(*http.Request, *http.Response) {
	var mu sync.Mutex
	return func(r *http.Request, resp *http.Response) {
		mu.Lock()
		defer mu.Unlock()
		if operation(r) != "GetObject" || resp.StatusCode >= 300 {
			return
		}
		if n--; n <= 0 && times > 0 {
			times--
			do(resp)
		}
	}
}

func TestLargeObjectsAreReadInPartsSideBySide(t *testing.T) {
	want := long(50_500)
	var under, most atomic.Int64
	f := &fake{}
	f.fail = func(r *http.Request) *http.Response {
		if operation(r) == "GetObject" {
			most.Store(max(most.Load(), under.Add(1)))
		}
		return nil
	}
	f.alter = func(r *http.Request, resp *http.Response) {
		if operation(r) == "GetObject" {
			resp.Body = &closing{resp.Body, func() { under.Add(-1) }}
		}
	}
	f.put("in/long", want)
	s := open(t, f, inParts)
	o := listed(t, s)
	for _, c := range []struct{ off, n int64 }{{0, -1}, {1, -1}, {0, 50_500}, {777, 30_000}, {49_999, 500}, {50_500, -1}, {3, 0}} {
		got, err := read(t, s, o, c.off, c.n)
		require.NoError(t, err)
		end := int64(len(want))
		if c.n >= 0 {
			end = c.off + c.n
		}
		same(t, want[c.off:end], got)
	}
	assert.LessOrEqual(t, most.Load(), int64(4))
	requests := f.requests("GetObject")
	for i, r := range requests {
		assert.Equal(t, `"`+o.Version+`"`, r.Header.Get("If-Match"), "request %d", i)
	}
	assert.Greater(t, len(requests), 150)
	assert.Equal(t, int64(3000), s.AheadFree(), "all is given back")
}

type closing struct {
	io.ReadCloser
	closed func()
}

func (c *closing) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

// Many readers share what may be read ahead, and none waits for another.
func TestReadingAheadIsBoundedForAllReaders(t *testing.T) {
	f := &fake{}
	want := long(20_000)
	f.put("in/long", want)
	s := open(t, f, inParts)
	o := listed(t, s)
	var readers []io.ReadCloser
	for range 10 {
		r, _, err := s.Open(t.Context(), o, 0, -1)
		require.NoError(t, err)
		readers = append(readers, r)
	}
	assert.Zero(t, s.AheadFree())
	assert.LessOrEqual(t, len(f.requests("GetObject")), 13, "one each, and three ahead")
	for _, r := range readers {
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		same(t, want, string(got))
	}
	for _, r := range readers {
		require.NoError(t, r.Close())
		_, err := r.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	}
	assert.Equal(t, int64(3000), s.AheadFree())
}

func TestAReaderThatIsClosedEarlyGivesAllBack(t *testing.T) {
	for _, n := range []int{0, 1, 999, 1000, 1001, 2500, 5000} {
		f := &fake{}
		f.put("in/long", long(20_000))
		s := open(t, f, inParts)
		r, _, err := s.Open(t.Context(), listed(t, s), 0, -1)
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, n))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		assert.Equal(t, int64(3000), s.AheadFree())
		_, err = r.Read(make([]byte, 1))
		assert.ErrorContains(t, err, "closed")
	}
}

func TestNothingIsReadAheadWhereThatIsNotWanted(t *testing.T) {
	f := &fake{}
	want := long(20_000)
	f.put("in/long", want)
	for _, cfg := range []s3.Config{{PartBytes: 1000, AheadBytes: -1}, {PartBytes: 1000, Parallel: 1}} {
		s := open(t, f, cfg)
		got, err := read(t, s, listed(t, s), 0, -1)
		require.NoError(t, err)
		same(t, want, got)
		requests := f.requests("GetObject")
		require.Len(t, requests, 1)
		assert.Empty(t, requests[0].Header.Get("Range"), "whole, so that its checksum is compared")
	}
}

func TestABodyThatIsCutIsResumed(t *testing.T) {
	want := long(10_000)
	for _, cfg := range []s3.Config{{}, inParts} {
		for _, cut := range []error{nil, errors.New("connection reset by peer")} {
			for _, after := range []int{0, 1, 500, 999} {
				for _, times := range []int{1, 3} {
					synctest.Test(t, func(t *testing.T) {
						f := &fake{}
						f.put("in/long", want)
						f.alter = onRead(1, times, cutAfter(after, cut))
						s := open(t, f, cfg)
						o := listed(t, s)
						got, err := read(t, s, o, 0, -1)
						require.NoError(t, err)
						same(t, want, got)
						for _, r := range f.requests("GetObject") {
							assert.Equal(t, `"`+o.Version+`"`, r.Header.Get("If-Match"))
						}
					})
				}
			}
		}
	}
}

func TestABodyThatIsCutForEverIsInterrupted(t *testing.T) {
	for _, cfg := range []s3.Config{{}, inParts} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			want := long(10_000)
			f.put("in/long", want)
			s := open(t, f, cfg)
			o := listed(t, s)
			r, _, err := s.Open(t.Context(), o, 0, -1)
			require.NoError(t, err)
			defer r.Close()
			synctest.Wait() // what is read ahead is there
			f.alter = onRead(1, 1000, cutAfter(0, nil))
			got, err := io.ReadAll(r)
			if cfg.PartBytes == 0 {
				require.NoError(t, err, "the body that is there is whole")
				return
			}
			assert.True(t, strings.HasPrefix(want, string(got)))
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.True(t, fault.Is(err, fault.ClassInterrupted))
			_, again := r.Read(make([]byte, 1))
			assert.Equal(t, err, again)
		})
	}
}

// Progress, however slow, resets the count.
func TestABodyThatIsCutEveryFewBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		want := long(10_000)
		f.put("in/long", want)
		f.alter = onRead(1, 1000, cutAfter(97, nil))
		s := open(t, f, s3.Config{})
		got, err := read(t, s, listed(t, s), 0, -1)
		require.NoError(t, err)
		same(t, want, got)
	})
}

func TestAnObjectReplacedWhileItIsReadIsNeverMixed(t *testing.T) {
	old, next := long(10_000), strings.ToUpper(strings.Repeat("x", 10_000))
	for name, ignores := range map[string]map[string]bool{"S3": nil, "a store that ignores If-Match": {"GET If-Match": true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{ignores: ignores}
				f.put("in/long", old)
				s := open(t, f, inParts)
				r, _, err := s.Open(t.Context(), listed(t, s), 0, -1)
				require.NoError(t, err)
				head := make([]byte, 2500)
				_, err = io.ReadFull(r, head)
				require.NoError(t, err)
				time.Sleep(time.Second)
				f.put("in/long", next)
				rest, err := io.ReadAll(r)
				assert.ErrorIs(t, err, source.ErrChanged)
				assert.True(t, strings.HasPrefix(old, string(head)+string(rest)))
				require.NoError(t, r.Close()) // nothing is under way any more

				f.put("in/long", old)
				f.alter = onRead(1, 1, cutAfter(700, nil))
				s = open(t, f, s3.Config{})
				r, _, err = s.Open(t.Context(), listed(t, s), 0, -1)
				require.NoError(t, err)
				defer r.Close()
				_, err = io.ReadFull(r, head[:100])
				require.NoError(t, err)
				time.Sleep(time.Second)
				f.put("in/long", next)
				_, err = io.ReadAll(r)
				assert.ErrorIs(t, err, source.ErrChanged)
			})
		})
	}
}

func TestAnObjectReplacedOrGoneSinceItWasListed(t *testing.T) {
	f := &fake{}
	f.put("in/a", "old")
	s := open(t, f, s3.Config{})
	o := listed(t, s)
	f.put("in/a", "new")
	_, err := read(t, s, o, 0, -1)
	assert.ErrorIs(t, err, source.ErrChanged)
	_, _, err = s.ReadObject(t.Context(), o, nil, 100)
	assert.ErrorIs(t, err, source.ErrChanged)
	assert.False(t, fault.Is(err, fault.ClassInterrupted), "the feeder lists it again")
	f.remove("in/a")
	_, err = read(t, s, o, 0, -1)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, _, err = s.ReadObject(t.Context(), o, nil, 100)
	assert.ErrorIs(t, err, fs.ErrNotExist)

	f.put("in/long", long(10_000))
	s = open(t, f, inParts)
	r, _, err := s.Open(t.Context(), listed(t, s), 0, -1)
	require.NoError(t, err)
	defer r.Close()
	f.remove("in/long")
	_, err = io.ReadAll(r)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestBytesThatWereChangedOnTheWay(t *testing.T) {
	flip := func(resp *http.Response) { resp.Body = io.NopCloser(&flipping{r: resp.Body}) }
	f := &fake{}
	f.put("in/a", long(500))
	s := open(t, f, s3.Config{})
	o := listed(t, s)
	f.alter = onRead(1, 2, flip)
	_, err := read(t, s, o, 0, -1)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
	assert.ErrorContains(t, err, "checksum")
	got, _, err := s.ReadObject(t.Context(), o, []byte("before"), 1000)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
	assert.ErrorContains(t, err, "checksum")
	assert.Equal(t, "before", string(got))
}

type flipping struct {
	r    io.Reader
	done bool
}

func (f *flipping) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if n > 0 && !f.done {
		p[0] ^= 1
		f.done = true
	}
	return n, err
}

func TestABodyThatStallsIsResumed(t *testing.T) {
	for _, cfg := range []s3.Config{{Timeout: time.Second}, {Timeout: time.Second, PartBytes: 1000}} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			want := long(10_000)
			f.put("in/long", want)
			f.alter = onRead(2, 2, stallAfter(700))
			s := open(t, f, cfg)
			o := listed(t, s)
			for range 3 {
				start := time.Now()
				got, err := read(t, s, o, 0, -1)
				require.NoError(t, err)
				same(t, want, got)
				assert.Less(t, time.Since(start), 10*time.Second)
			}
		})
	}
}

func TestASmallObjectThatStallsIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.put("in/a", long(1000))
		f.alter = onRead(1, 1, stallAfter(700))
		s := open(t, f, s3.Config{Timeout: time.Second})
		_, _, err := s.ReadObject(t.Context(), object("a"), nil, 1000)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		assert.ErrorContains(t, err, "nothing came")
		f.alter = onRead(1, 1, stallAfter(700))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _, err = s.ReadObject(ctx, object("a"), nil, 1000)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestARequestThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.fail = func(r *http.Request) *http.Response {
			<-r.Context().Done()
			return refusal(r, 500, "late")
		}
		s := open(t, f, s3.Config{Timeout: time.Second})
		_, err := read(t, s, object("a"), 0, -1)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		assert.Equal(t, time.Second, time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
		_, _, err = s.Stat(t.Context(), "a")
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
	})
}

func TestAServerThatIgnoresRanges(t *testing.T) {
	f := &fake{ignores: map[string]bool{"GET Range": true}}
	want := long(10_000)
	f.put("in/long", want)
	s := open(t, f, inParts)
	o := listed(t, s)
	got, err := read(t, s, o, 0, -1)
	require.NoError(t, err)
	same(t, want, got)
	got, err = read(t, s, o, 0, 1500)
	require.NoError(t, err)
	assert.Equal(t, want[:1500], got)
	_, err = read(t, s, o, 10, -1)
	assert.ErrorIs(t, err, source.ErrNoRange)
}

func TestAnswersThatLieAboutTheirRange(t *testing.T) {
	for name, lie := range map[string]string{
		"malformed": "bytes 0-", "another": "bytes 1-1000/10000", "backwards": "bytes 999-0/10000", "no size": "bytes 0-999/*", "shorter": "bytes 0-99/10000",
	} {
		f := &fake{}
		f.put("in/long", long(10_000))
		f.alter = func(r *http.Request, resp *http.Response) {
			if operation(r) == "GetObject" {
				resp.Header.Set("Content-Range", lie)
			}
		}
		s := open(t, f, inParts)
		_, err := read(t, s, listed(t, s), 0, -1)
		assert.Error(t, err, name)
	}
}

func TestErrorsOfObjectsAreClassified(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		class  fault.Class
		is     error
	}{
		{503, "SlowDown", fault.ClassInterrupted, nil},
		{500, "InternalError", fault.ClassInterrupted, nil},
		{429, "TooManyRequests", fault.ClassInterrupted, nil},
		{400, "RequestTimeout", fault.ClassInterrupted, nil},
		{403, "RequestTimeTooSkewed", fault.ClassInterrupted, nil},
		{409, "OperationAborted", fault.ClassInterrupted, nil},
		{404, "NoSuchBucket", fault.ClassFatal, nil},
		{403, "InvalidAccessKeyId", fault.ClassFatal, nil},
		{403, "SignatureDoesNotMatch", fault.ClassFatal, nil},
		{400, "ExpiredToken", fault.ClassFatal, nil},
		{400, "AuthorizationHeaderMalformed", fault.ClassFatal, nil},
		{404, "NoSuchKey", fault.ClassRetryable, fs.ErrNotExist},
		{412, "PreconditionFailed", fault.ClassRetryable, source.ErrChanged},
		{403, "InvalidObjectState", fault.ClassRetryable, s3.ErrArchived},
		{403, "AccessDenied", fault.ClassRetryable, nil},
		{400, "KMS.DisabledException", fault.ClassRetryable, nil},
	} {
		f := &fake{fail: func(r *http.Request) *http.Response { return refusal(r, c.status, c.code) }}
		s := open(t, f, s3.Config{})
		_, _, err := s.ReadObject(t.Context(), object("folder/a.json"), nil, 100)
		require.Error(t, err)
		assert.Equal(t, c.class, fault.Of(err), c.code)
		assert.ErrorContains(t, err, `"folder/a.json"`)
		if c.is != nil {
			assert.ErrorIs(t, err, c.is)
		}
		_, opened := read(t, s, object("folder/a.json"), 0, -1)
		assert.Equal(t, c.class, fault.Of(opened), c.code)
	}
	f := &fake{lose: func(*http.Request) bool { return true }}
	_, err := read(t, open(t, f, s3.Config{}), object("a"), 0, -1)
	assert.True(t, fault.Is(err, fault.ClassInterrupted), "a connection that is reset")
}

func TestKeysThatLeadOutOfTheRoot(t *testing.T) {
	f := &fake{}
	f.put("secret", "x")
	s := open(t, f, s3.Config{})
	for _, key := range []string{"", "/", "../secret", "a/../../secret", "/secret", "a//b", ".", "a/", "a/."} {
		_, err := read(t, s, object(key), 0, -1)
		require.Error(t, err, key)
		_, _, err = s.Stat(t.Context(), key)
		require.Error(t, err, key)
		require.Error(t, s.Remove(t.Context(), []source.Object{{Key: key, Size: -1}})[0], key)
	}
	assert.Empty(t, f.requests("GetObject"))
	assert.Empty(t, f.requests("HeadObject"))
}

func TestALargeObjectIsNotAskedForAsASmallOne(t *testing.T) {
	f := &fake{}
	f.put("in/long", long(2000))
	s := open(t, f, s3.Config{})
	_, _, err := s.ReadObject(t.Context(), listed(t, s), nil, 1000)
	assert.ErrorIs(t, err, source.ErrTooLarge)
	assert.Empty(t, f.requests("GetObject"))
}

func TestRequestsCarryWhatIsConfigured(t *testing.T) {
	f := &fake{}
	f.put("in/long", long(10_000))
	key := []byte("0123456789abcdef0123456789abcdef")
	cfg := inParts
	cfg.RequesterPays, cfg.BucketOwner, cfg.CustomerKey = true, "123456789012", key
	cfg.Bucket, cfg.Prefix = "feed", "in"
	client := clientOf("https://s3.test", f)
	s, err := s3.New(client, cfg)
	require.NoError(t, err)
	o := listed(t, s)
	_, err = read(t, s, o, 0, -1)
	require.NoError(t, err)
	_, _, err = s.Stat(t.Context(), o.Key)
	require.NoError(t, err)
	require.NoError(t, s.Move(t.Context(), []source.Object{o}, "s3://feed/out")[0])
	seen := 0
	for _, op := range []string{"ListObjectsV2", "GetObject", "HeadObject", "CopyObject", "DeleteObject"} {
		for _, r := range f.requests(op) {
			seen++
			assert.Equal(t, "requester", r.Header.Get("X-Amz-Request-Payer"), op)
			assert.Equal(t, "123456789012", r.Header.Get("X-Amz-Expected-Bucket-Owner"), op)
			if op == "GetObject" || op == "HeadObject" || op == "CopyObject" {
				assert.Equal(t, "AES256", r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm"), op)
				assert.Equal(t, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key"), op)
				assert.Equal(t, "hRasmdxgYDKV3nvbahU1MA==", r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key-Md5"), op)
			}
		}
	}
	assert.Greater(t, seen, 15)
}

// Whatever goes wrong, and when: what is read is what was stored, up to an
// error.
func TestReadingUnderFaults(t *testing.T) {
	old, next := long(30_000), strings.Repeat("x", 30_000)
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			f := &fake{}
			f.put("in/long", old)
			s := open(t, f, s3.Config{PartBytes: 1000 + random.Int64N(9000), AheadBytes: 10_000, Timeout: time.Second})
			o := listed(t, s)
			var mu sync.Mutex
			f.alter = func(r *http.Request, resp *http.Response) {
				mu.Lock()
				defer mu.Unlock()
				if operation(r) != "GetObject" || resp.StatusCode >= 300 {
					return
				}
				switch random.IntN(12) {
				case 0:
					cutAfter(random.IntN(2000), nil)(resp)
				case 1:
					cutAfter(random.IntN(2000), errors.New("connection reset by peer"))(resp)
				case 2:
					stallAfter(random.IntN(2000))(resp)
				case 3:
					if random.IntN(4) == 0 {
						*resp = *refusal(r, 503, "SlowDown")
					}
				case 4:
					if random.IntN(8) == 0 {
						f.put("in/long", next)
					}
				}
			}
			off := random.Int64N(30_000)
			got, err := read(t, s, o, off, -1)
			want := old[off:]
			switch {
			case err == nil:
				same(t, want, got)
			case errors.Is(err, source.ErrChanged), fault.Is(err, fault.ClassInterrupted):
				require.True(t, strings.HasPrefix(want, got), "seed %d: %v", seed, err)
			default:
				t.Errorf("seed %d: %v", seed, err)
			}
			assert.Equal(t, int64(10_000), s.AheadFree())
		})
	}
}

// An object without a checksum has nothing but its length to be compared with.
func TestASmallObjectThatIsCutIsInterrupted(t *testing.T) {
	for _, cut := range []error{nil, errors.New("connection reset by peer")} {
		f := &fake{}
		f.put("in/a", long(1000))
		f.alter = onRead(1, 1, func(resp *http.Response) {
			resp.Header.Del("X-Amz-Checksum-Crc32")
			cutAfter(700, cut)(resp)
		})
		s := open(t, f, s3.Config{})
		got, _, err := s.ReadObject(t.Context(), object("a"), []byte("before"), 1000)
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
		assert.Equal(t, "before", string(got))
	}
}
