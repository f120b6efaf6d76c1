package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/s3"
)

// numbered stores n objects, in the order of their names.
func numbered(f *fake, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("folder-%d/object-%05d.json", i/1000, i)
		f.put("in/"+keys[i], "{}")
	}
	return keys
}

// try lists a source until it ends, and returns how.
func try(ctx context.Context, s source.Source) (keys []string, err error) {
	for o, err := range s.Objects(ctx) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

func TestKeysAndFiltersAreThoseOfDir(t *testing.T) {
	tree := []string{
		"a.json", "b.json.tmp", ".hidden", ".hidden.d/x.json", "deep/er/c.json", "deep/er/still/d.json",
		"skip/e.json", "deep/skip/f.json", "tmp.tmp/g.json", ".tmp/h", "with space +%2B/ü.json", "in/i.json",
	}
	root, f := t.TempDir(), &fake{pageSize: 2}
	for _, key := range tree {
		name := filepath.Join(root, key)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte("{}"), 0o644))
		f.put("in/"+key, "{}")
	}
	f.put("in/deep/", "")     // as the console makes folders
	f.put("in/", "")          //
	f.put("in2/x.json", "{}") // beside the root
	f.put("inx.json", "{}")
	for _, c := range []struct {
		dir dir.Config
		s3  s3.Config
	}{
		{},
		{dir.Config{Ignore: []string{"skip", "c.*"}}, s3.Config{Ignore: []string{"skip", "c.*"}}},
		{dir.Config{IncludeHidden: true}, s3.Config{IncludeHidden: true}},
		{dir.Config{Flat: true}, s3.Config{Flat: true}},
		{dir.Config{MaxDepth: 2}, s3.Config{MaxDepth: 2}},
	} {
		c.dir.Order = dir.NameOrder
		d, err := dir.Open(root, c.dir)
		require.NoError(t, err)
		defer d.Close()
		want, wantErr := try(t.Context(), d)
		got, gotErr := try(t.Context(), open(t, f, c.s3))
		slices.Sort(want)
		slices.Sort(got)
		assert.Equal(t, want, got, "%+v", c.s3)
		assert.Equal(t, wantErr == nil, gotErr == nil, "%v, %v", wantErr, gotErr)
		if gotErr != nil {
			assert.ErrorContains(t, gotErr, `"deep/er/still/": nested deeper than 2 folders`)
		}
	}
}

func TestSuffixes(t *testing.T) {
	f := &fake{}
	for _, key := range []string{"a.json", "b.json.gz", "c.csv", "json"} {
		f.put("in/"+key, "{}")
	}
	assert.Equal(t, []string{"a.json", "b.json.gz"}, keys(t, open(t, f, s3.Config{Suffixes: []string{".json", ".json.gz"}})))
}

func TestYoungObjectsAreKeptBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := open(t, f, s3.Config{MinAge: time.Minute})
		f.put("in/a", "{}")
		time.Sleep(50 * time.Second)
		f.put("in/b", "{}")
		assert.Empty(t, keys(t, s))
		time.Sleep(10 * time.Second)
		assert.Equal(t, []string{"a"}, keys(t, s))
		time.Sleep(50 * time.Second)
		assert.Equal(t, []string{"a", "b"}, keys(t, s))
	})
}

func TestNamesThatCanBeNoKeysAreReportedAtTheEnd(t *testing.T) {
	f := &fake{}
	for _, name := range []string{"in/a//b", "in/a//c", "in//d", "in/z"} {
		f.put(name, "{}")
	}
	got, err := try(t.Context(), open(t, f, s3.Config{}))
	assert.Equal(t, []string{"z"}, got)
	assert.ErrorContains(t, err, `"a//"`)
	assert.ErrorContains(t, err, `"/"`)
	assert.Equal(t, 2, strings.Count(err.Error(), "has a name that is none"), "once for each folder")
	assert.False(t, fault.Is(err, fault.ClassFatal))

	got, err = try(t.Context(), open(t, f, s3.Config{Ignore: []string{""}}))
	require.NoError(t, err, "who ignores them knows of them")
	assert.Equal(t, []string{"z"}, got)

	f.put("in/../e", "{}")
	f.put("in/..", "{}")
	got, err = try(t.Context(), open(t, f, s3.Config{Ignore: []string{""}, IncludeHidden: true}))
	assert.Equal(t, []string{"z"}, got)
	assert.ErrorContains(t, err, `"../"`)
	assert.ErrorContains(t, err, `"..": has`)

	for i := range 20 {
		f.put(fmt.Sprintf("in/%02d//x", i), "{}")
	}
	_, err = try(t.Context(), open(t, f, s3.Config{}))
	assert.ErrorContains(t, err, "and 14 names more")
}

// oddKeys hold what names can hold.
func oddKeys() []string {
	return []string{"ünï/日本語/😀.json", "a+b c%20d%2Bé", "quote\"<&>'", "tab\tnewline\nreturn\r", "back\\slash", "~tilde*?[x]{y}|^`", "semi;colon:comma,at@eq=dollar$", "x-\U0010FFFF", "trailing ", " leading", "%", "%zz", "+", "a#fragment?query=1&b", "delete-\x7f"}
}

// controlKeys hold what XML cannot.
func controlKeys() []string {
	var keys []string
	for c := rune(1); c < 0x20; c++ {
		keys = append(keys, fmt.Sprintf("control-%02x-%c", c, c))
	}
	return keys
}

// checkKeys lists and reads them in a source that has nothing else.
func checkKeys(t *testing.T, s *s3.Source, want []string) {
	t.Helper()
	slices.Sort(want)
	got := keys(t, s)
	slices.Sort(got) // a gateway to a file system orders as it does
	require.Equal(t, want, got)
	for _, key := range want {
		data, _, err := s.ReadObject(t.Context(), object(key), nil, 1<<10)
		require.NoError(t, err)
		assert.Equal(t, "of "+key, string(data))
	}
}

func TestOddNames(t *testing.T) {
	f := &fake{pageSize: 3}
	odd := append(oddKeys(), controlKeys()...)
	for _, key := range odd {
		f.put("in/"+key, "of "+key)
	}
	checkKeys(t, open(t, f, s3.Config{}), odd)
}

func TestListingIsPagedAndLazy(t *testing.T) {
	f := &fake{}
	want := numbered(f, 2500)
	s := open(t, f, s3.Config{})
	assert.Equal(t, want, keys(t, s))
	requests := f.requests("ListObjectsV2")
	assert.Len(t, requests, 3)
	for _, r := range requests {
		assert.Equal(t, "in/", r.URL.Query().Get("prefix"))
	}
	for range s.Objects(t.Context()) {
		break
	}
	assert.LessOrEqual(t, len(f.requests("ListObjectsV2")), 2, "one page, and the next")
}

func TestFlatListsNoNestedFolder(t *testing.T) {
	f := &fake{}
	numbered(f, 1000)
	f.put("in/a.json", "{}")
	assert.Equal(t, []string{"a.json"}, keys(t, open(t, f, s3.Config{Flat: true})))
	assert.Equal(t, "/", f.requests("ListObjectsV2")[0].URL.Query().Get("delimiter"))
}

func TestAFolderThatIsNotListedCostsOnePage(t *testing.T) {
	f := &fake{pageSize: 10}
	for i := range 1000 {
		f.put(fmt.Sprintf("in/done/%04d", i), "{}")
	}
	f.put("in/a", "{}")
	f.put("in/done0", "{}") // comes right after the folder
	f.put("in/z", "{}")
	s := open(t, f, s3.Config{Ignore: []string{"done"}})
	assert.Equal(t, []string{"a", "done0", "z"}, keys(t, s))
	assert.Len(t, f.requests("ListObjectsV2"), 2)
}

func TestListingOfADirectoryBucket(t *testing.T) {
	f := &fake{pageSize: 10, reversed: true}
	want := numbered(f, 55)
	got := keys(t, open(t, f, s3.Config{Ignore: []string{"nothing"}}))
	slices.Sort(got)
	assert.Equal(t, want, got)
}

// onPage has do change the answer to a listing request, from the nth on for as
// many as there are times.
func onPage(n, times int, do func(*http.Response)) func(*http.Request, *http.Response) {
	return func(r *http.Request, resp *http.Response) {
		if operation(r) != "ListObjectsV2" {
			return
		}
		if n--; n <= 0 && times > 0 {
			times--
			do(resp)
		}
	}
}

func TestAListingThatGoesWrongEndsWithAnError(t *testing.T) {
	body := func(text string) func(*http.Response) {
		return func(resp *http.Response) { *resp = *answer(resp.Request, http.StatusOK, text) }
	}
	code := func(status int, code string) func(*http.Response) {
		return func(resp *http.Response) { *resp = *refusal(resp.Request, status, code) }
	}
	for name, c := range map[string]struct {
		do   func(*http.Response)
		want fault.Class
	}{
		"cut":                 {cutAfter(500, errors.New("connection reset by peer")), fault.ClassInterrupted},
		"cut without a trace": {cutAfter(500, nil), fault.ClassInterrupted},
		"no byte":             {body(""), fault.ClassInterrupted},
		"something else":      {body("<html><body>Welcome to the hotel</body></html>"), fault.ClassInterrupted},
		"no XML":              {body("Welcome to the hotel"), fault.ClassInterrupted},
		"no token":            {body("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"), fault.ClassInterrupted},
		"no name":             {body("<ListBucketResult><IsTruncated>false</IsTruncated><Contents></Contents></ListBucketResult>"), fault.ClassInterrupted},
		"a broken name":       {body("<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>in/%zz</Key></Contents></ListBucketResult>"), fault.ClassInterrupted},
		"SlowDown":            {code(503, "SlowDown"), fault.ClassInterrupted},
		"InternalError":       {code(500, "InternalError"), fault.ClassInterrupted},
		"AccessDenied":        {code(403, "AccessDenied"), fault.ClassFatal},
		"ExpiredToken":        {code(400, "ExpiredToken"), fault.ClassFatal},
		"NoSuchBucket":        {code(404, "NoSuchBucket"), fault.ClassFatal},
		"PermanentRedirect":   {code(301, "PermanentRedirect"), fault.ClassFatal},
		"NotImplemented":      {code(501, "NotImplemented"), fault.ClassFatal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{pageSize: 100}
				want := numbered(f, 500)
				f.alter = onPage(5, 1000, c.do)
				got, err := try(t.Context(), open(t, f, s3.Config{}))
				require.Error(t, err)
				assert.Equal(t, want[:400], got)
				assert.Equal(t, c.want, fault.Of(err), err.Error())
				assert.ErrorContains(t, err, "s3://feed/in/")
			})
		})
	}
}

func TestAPageThatWasCutIsAskedForAgain(t *testing.T) {
	for _, cut := range []error{nil, errors.New("connection reset by peer")} {
		for _, times := range []int{1, 3} {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{pageSize: 100}
				want := numbered(f, 1000)
				f.alter = onPage(5, times, cutAfter(500, cut))
				assert.Equal(t, want, keys(t, open(t, f, s3.Config{})))
				assert.Len(t, f.requests("ListObjectsV2"), 10+times)
			})
		}
	}
}

// The SDK's own retries are for answers; what they do is up to its
// configuration.
func TestTheSDKsRetriesAreOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{pageSize: 100}
		want := numbered(f, 1000)
		f.alter = onPage(5, 2, func(resp *http.Response) { *resp = *refusal(resp.Request, 503, "SlowDown") })
		client := clientOf("http://s3.test", f, func(o *awss3.Options) { o.Retryer = retry.NewStandard() })
		s, err := s3.New(client, s3.Config{Bucket: "feed", Prefix: "in/"})
		require.NoError(t, err)
		assert.Equal(t, want, keys(t, s))
	})
}

func TestATokenThatTheStoreForgot(t *testing.T) {
	f := &fake{pageSize: 100, unknownTokens: true}
	want := numbered(f, 1000)
	assert.Equal(t, want, keys(t, open(t, f, s3.Config{})), "goes on behind the last name")

	f.reversed = true
	got, err := try(t.Context(), open(t, f, s3.Config{}))
	require.Error(t, err, "without an order nobody knows where that is")
	assert.Len(t, got, 100)
}

func TestAStoreThatGoesOnWhereItWas(t *testing.T) {
	f := &fake{pageSize: 100}
	numbered(f, 1000)
	f.alter = onPage(1, 1000, func(resp *http.Response) {
		*resp = *answer(resp.Request, http.StatusOK, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>")
	})
	_, err := try(t.Context(), open(t, f, s3.Config{}))
	assert.ErrorContains(t, err, "goes on where it was")
}

func TestAListingThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{pageSize: 100}
		numbered(f, 1000)
		f.alter = onPage(5, 1000, stallAfter(500))
		start := time.Now()
		got, err := try(t.Context(), open(t, f, s3.Config{Timeout: 10 * time.Second}))
		assert.Len(t, got, 400)
		assert.ErrorContains(t, err, "nothing came for the time allowed")
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		assert.Less(t, time.Since(start), time.Minute)
	})
}

func TestTheEndOfTheContextEndsAStalledListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{pageSize: 100}
		numbered(f, 1000)
		f.alter = onPage(5, 1000, stallAfter(500))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := try(ctx, open(t, f, s3.Config{}))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
