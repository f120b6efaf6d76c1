package gs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// open returns the source of the folder "in" of the bucket "feed".
func open(tb testing.TB, server *gcsfake.Server, cfg gs.Config) *gs.Source {
	tb.Helper()
	client, err := server.Client()
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = client.Close() })
	cfg.Bucket, cfg.Prefix = "feed", "in"
	src, err := gs.New(client, cfg)
	require.NoError(tb, err)
	return src
}

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		server := &gcsfake.Server{PageSize: 3}
		for key, body := range files {
			server.Put("feed", "in/"+key, body, "")
		}
		return sourcetest.Fixture{
			Source: open(t, server, gs.Config{}),
			Write:  func(key, body string) error { server.Put("feed", "in/"+key, body, ""); return nil },
			Remove: func(key string) error { server.Delete("feed", "in/"+key); return nil },
		}
	})
}

func TestConformanceOfRemoval(t *testing.T) {
	sourcetest.RunRemover(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		server := new(gcsfake.Server)
		for key, body := range files {
			server.Put("feed", "in/"+key, body, "")
		}
		return sourcetest.Fixture{
			Source: open(t, server, gs.Config{}),
			Write:  func(key, body string) error { server.Put("feed", "in/"+key, body, ""); return nil },
			Remove: func(key string) error { server.Delete("feed", "in/"+key); return nil },
			Attic: func() (sourcetest.Attic, error) {
				return sourcetest.Attic{
					URL:   "gs://attic/done",
					Write: func(key, body string) error { server.Put("attic", "done/"+key, body, ""); return nil },
					Read: func(key string) (string, error) {
						body, ok := server.Body("attic", "done/"+key)
						if !ok {
							return "", fs.ErrNotExist
						}
						return body, nil
					},
				}, nil
			},
		}
	})
}

func list(t testing.TB, src source.Source) (objects []source.Object, err error) {
	t.Helper()
	for o, err := range src.Objects(t.Context()) {
		if err != nil {
			return objects, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func keys(t testing.TB, src source.Source) (keys []string, err error) {
	t.Helper()
	objects, err := list(t, src)
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	return keys, err
}

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := gs.New(nil, gs.Config{Bucket: "a/b", Suffixes: []string{""}, Ignore: []string{"["}, MinAge: -1, MaxDepth: -1, Timeout: -1})
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	for _, part := range []string{"client", "Bucket", "Suffixes[0]", "Ignore[0]", "MinAge", "MaxDepth", "Timeout"} {
		assert.ErrorContains(t, err, part)
	}
	_, err = gs.New(nil, gs.Config{})
	assert.ErrorContains(t, err, "Bucket: required")
}

func TestWhatIsListed(t *testing.T) {
	server := new(gcsfake.Server)
	for _, name := range []string{
		"in/", "in/a.json", "in/b.csv", "in/.hidden.json", "in/x.tmp", "in/day/", "in/day/c.json", "in/day/.h/d.json",
		"in/skip/e.json", "in2/f.json", "in/day//g.json", "in/../h.json", "in/1/2/3/i.json",
	} {
		server.Put("feed", name, "{}", "")
	}
	got, err := keys(t, open(t, server, gs.Config{Suffixes: []string{".json"}, Ignore: []string{"skip", ""}, MaxDepth: 2}))
	assert.Equal(t, []string{"a.json", "day/c.json"}, got)
	require.ErrorContains(t, err, `"../"`)
	require.ErrorContains(t, err, `"1/2/3/": nested deeper than 2 folders`)
	assert.NotContains(t, err.Error(), "day//", "it is to be ignored")

	got, err = keys(t, open(t, server, gs.Config{Flat: true, IncludeHidden: true}))
	require.NoError(t, err)
	assert.Equal(t, []string{".hidden.json", "a.json", "b.csv", "x.tmp"}, got)
}

func TestManyBadNamesAreCounted(t *testing.T) {
	server := new(gcsfake.Server)
	for i := range 12 {
		server.Put("feed", fmt.Sprintf("in/%02d//x", i), "{}", "")
	}
	_, err := keys(t, open(t, server, gs.Config{}))
	require.ErrorContains(t, err, "and 4 names more")
}

func TestListingIsLazy(t *testing.T) {
	server := &gcsfake.Server{PageSize: 2}
	for i := range 10 {
		server.Put("feed", fmt.Sprintf("in/%d", i), "{}", "")
	}
	for _, err := range open(t, server, gs.Config{}).Objects(t.Context()) {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, 1, server.Count("list"))
}

// An object with Content-Encoding gzip is read as it is stored.
func TestNothingIsDecompressedOnTheWay(t *testing.T) {
	server := new(gcsfake.Server)
	server.Put("feed", "in/a.json.gz", "stored bytes, compressed", "gzip")
	src := open(t, server, gs.Config{})
	objects, err := list(t, src)
	require.NoError(t, err)
	for _, at := range []int64{0, 7} {
		r, found, err := src.Open(t.Context(), objects[0], at, -1)
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		assert.Equal(t, "stored bytes, compressed"[at:], string(body))
		assert.Empty(t, found.Encoding)
	}
}

func TestVersionIsTheGeneration(t *testing.T) {
	server := new(gcsfake.Server)
	gen := server.Put("feed", "in/a", "same", "")
	src := open(t, server, gs.Config{})
	objects, err := list(t, src)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(gen), objects[0].Version)

	server.Put("feed", "in/a", "same", "") // the same bytes, written again
	_, _, err = src.Open(t.Context(), objects[0], 0, -1)
	require.ErrorIs(t, err, source.ErrChanged)
	_, _, err = src.ReadObject(t.Context(), objects[0], nil, 100)
	require.ErrorIs(t, err, source.ErrChanged)
	for _, version := range []string{"x", "0", "-5", "99999999999999999999"} {
		_, _, err = src.Open(t.Context(), source.Object{Key: "a", Version: version, Size: 4, ModTime: objects[0].ModTime}, 0, -1)
		require.ErrorIs(t, err, source.ErrChanged, version)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	src := open(t, new(gcsfake.Server), gs.Config{})
	for _, key := range []string{"", "/a", "a/", "a//b", "../a", "a/./b", "a\xff", strings.Repeat("x", 1023)} {
		_, _, err := src.Open(t.Context(), source.Object{Key: key, Size: -1}, 0, -1)
		require.Error(t, err, "%q", key)
		assert.False(t, errors.Is(err, context.Canceled) || fault.Is(err, fault.ClassInterrupted), "%q: %v", key, err)
	}
}

func TestRequesterPays(t *testing.T) {
	server := &gcsfake.Server{RequesterPays: true}
	server.Put("feed", "in/a", "body", "")
	_, err := keys(t, open(t, server, gs.Config{}))
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal), "%v", err)

	src := open(t, server, gs.Config{UserProject: "payer"})
	objects, err := list(t, src)
	require.NoError(t, err)
	body, _, err := src.ReadObject(t.Context(), objects[0], nil, 100)
	require.NoError(t, err)
	assert.Equal(t, "body", string(body))
	_, _, err = src.Stat(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, []error{nil}, src.Move(t.Context(), objects, "gs://attic/done"))
}

// What lets one object down is told apart from what lets all of them down.
func TestABucketThatDoesNotExist(t *testing.T) {
	_, err := keys(t, open(t, &gcsfake.Server{Missing: "feed"}, gs.Config{}))
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
	assert.ErrorContains(t, err, "gs://feed/in/")
}
