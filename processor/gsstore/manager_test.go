package gsstore_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/option"
	afsstorage "github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/gsstore"
)

const chunk = 256 << 10 // the least

// managerOf returns a manager over a fake.
func managerOf(tb testing.TB, server *gcsfake.Server) *gsstore.Manager {
	tb.Helper()
	client, err := server.Client()
	require.NoError(tb, err)
	return manager(tb, client)
}

func manager(tb testing.TB, client *storage.Client) *gsstore.Manager {
	tb.Helper()
	m, err := gsstore.New(client, gsstore.Config{ChunkBytes: chunk})
	require.NoError(tb, err)
	return m
}

// rules hold on each store. base is a folder of their own.
var rules = map[string]func(t *testing.T, m *gsstore.Manager, base string){
	"AnObjectIsReadAsItWasWritten": anObjectIsReadAsItWasWritten,
	"NothingIsEverOverwritten":     nothingIsEverOverwritten,
	"WhatDoesNotExist":             whatDoesNotExist,
	"NamesAreTakenAsTheyAre":       namesAreTakenAsTheyAre,
	"ThroughTheServiceOfAFS":       throughTheServiceOfAFS,
}

func TestRulesOnAFake(t *testing.T) { followRules(t, managerOf(t, new(gcsfake.Server))) }

func followRules(t *testing.T, m *gsstore.Manager) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) { rule(t, m, "gs://bucket/"+rand.Text()) })
	}
}

func upload(t *testing.T, m *gsstore.Manager, url, content string) {
	t.Helper()
	require.NoError(t, m.Upload(t.Context(), url, 0, strings.NewReader(content)))
}

func read(t *testing.T, m *gsstore.Manager, url string) string {
	t.Helper()
	r, err := m.OpenURL(t.Context(), url)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(content)
}

// noise is n bytes that no two places have the same of.
func noise(n int) string {
	b := make([]byte, 0, n+16)
	for i := int64(0); len(b) < n; i++ {
		b = append(strconv.AppendInt(b, i, 10), ',')
	}
	return string(b[:n])
}

func anObjectIsReadAsItWasWritten(t *testing.T, m *gsstore.Manager, base string) {
	for _, n := range []int{0, 1, 100_000, chunk - 1, chunk, chunk + 1, 2 * chunk, 3*chunk + 17} {
		url, content := fmt.Sprintf("%s/%d", base, n), noise(n)
		upload(t, m, url, content)
		if content != read(t, m, url) { // not to be printed
			t.Errorf("%d bytes came back as others", n)
		}
		o, err := m.Object(t.Context(), url)
		require.NoError(t, err)
		assert.EqualValues(t, n, o.Size())
	}
}

func nothingIsEverOverwritten(t *testing.T, m *gsstore.Manager, base string) {
	for _, n := range []int{3, chunk + 1} {
		url := fmt.Sprintf("%s/%d", base, n)
		upload(t, m, url, "first")
		err := m.Upload(t.Context(), url, 0, strings.NewReader(noise(n)))
		require.ErrorIs(t, err, fs.ErrExist)
		require.NotErrorIs(t, err, gsstore.ErrUndecided)
		assert.Equal(t, "first", read(t, m, url))
		assert.Equal(t, http.StatusPreconditionFailed, m.ErrorCode(err))
	}
}

func whatDoesNotExist(t *testing.T, m *gsstore.Manager, base string) {
	_, err := m.OpenURL(t.Context(), base+"/gone")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, http.StatusNotFound, m.ErrorCode(err))
	_, err = m.Object(t.Context(), base+"/gone")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = m.List(t.Context(), base+"/gone")
	require.ErrorIs(t, err, fs.ErrNotExist)
	there, err := m.Exists(t.Context(), base+"/gone")
	require.NoError(t, err)
	assert.False(t, there)
	require.NoError(t, m.Delete(t.Context(), base+"/gone"))
	for _, err := range m.All(t.Context(), base+"/gone") {
		require.NoError(t, err)
		t.Error("something is listed")
	}
}

func TestABucketThatDoesNotExist(t *testing.T) {
	m := managerOf(t, &gcsfake.Server{Missing: "absent"})
	for _, err := range m.All(t.Context(), "gs://absent/x") {
		assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
	}
	err := m.Upload(t.Context(), "gs://absent/x", 0, strings.NewReader("x"))
	require.NotErrorIs(t, err, gsstore.ErrUndecided)
	assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
	err = m.Upload(t.Context(), "gs://absent/x", 0, strings.NewReader(noise(2*chunk)))
	require.Error(t, err)
	require.NotErrorIs(t, err, gsstore.ErrUndecided)
}

func namesAreTakenAsTheyAre(t *testing.T, m *gsstore.Manager, base string) {
	want := map[string]bool{}
	for _, name := range []string{"plain", "with space", "a+b", "50%", "%41", "é/ü", "q?x=1#y", "a&b<c>", "q\"uote'", "~(!*)"} {
		url := base + "/" + name
		want[url] = true
		upload(t, m, url, name)
		assert.Equal(t, name, read(t, m, url))
	}
	for o, err := range m.All(t.Context(), base) {
		require.NoError(t, err)
		assert.True(t, want[o.URL()], "%s is listed", o.URL())
		require.NoError(t, m.Delete(t.Context(), o.URL()))
		delete(want, o.URL())
	}
	assert.Empty(t, want)
	for o := range m.All(t.Context(), base) {
		t.Errorf("%s was not deleted", o.URL())
	}
}

func TestAListingHoldsAPageAndStopsOnBreak(t *testing.T) {
	server := &gcsfake.Server{PageSize: 10}
	m := managerOf(t, server)
	for i := range 95 {
		upload(t, m, fmt.Sprintf("gs://b/x/%02d/%02d", i%7, i), "x")
	}
	seen, last := 0, ""
	for o, err := range m.All(t.Context(), "gs://b/x") {
		require.NoError(t, err)
		require.Less(t, last, o.URL())
		last = o.URL()
		require.NoError(t, m.Delete(t.Context(), o.URL()), "what is listed may be deleted meanwhile")
		seen++
	}
	assert.Equal(t, 95, seen)

	upload(t, m, "gs://b/x/a", "x")
	pages := server.Count("list")
	for range m.All(t.Context(), "gs://b/x") {
		break
	}
	assert.Equal(t, pages+1, server.Count("list"))
}

// What afs users do with any other scheme.
func throughTheServiceOfAFS(t *testing.T, m *gsstore.Manager, base string) {
	afs.GetRegistry().Register("gs", func(...afsstorage.Option) (afsstorage.Manager, error) { return m, nil })
	service, ctx := afs.New(), t.Context()
	for _, name := range []string{"a.txt", "sub/b.txt", "sub/deep/c.txt"} {
		require.NoError(t, service.Upload(ctx, base+"/"+name, 0o644, strings.NewReader(name)))
	}
	w, err := service.NewWriter(ctx, base+"/sub/w.txt", 0o644)
	require.NoError(t, err)
	_, err = io.WriteString(w, "written")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "a second time")
	require.NoError(t, service.Create(ctx, base+"/sub/empty", 0o644, false))
	require.NoError(t, service.Create(ctx, base+"/sub/folder", 0o755, true))

	content, err := service.DownloadWithURL(ctx, base+"/sub/w.txt")
	require.NoError(t, err)
	assert.Equal(t, "written", string(content))

	names := func(objects []afsstorage.Object) (names []string) {
		for _, o := range objects {
			name := strings.TrimPrefix(o.URL(), base)
			if o.IsDir() {
				name += "/"
			}
			names = append(names, name)
		}
		return names
	}
	objects, err := service.List(ctx, base+"/sub")
	require.NoError(t, err)
	assert.Equal(t, "/sub/", names(objects)[0])
	assert.ElementsMatch(t, []string{"/sub/", "/sub/deep/", "/sub/b.txt", "/sub/empty", "/sub/w.txt"}, names(objects))
	objects, err = service.List(ctx, base, option.NewRecursive(true))
	require.NoError(t, err)
	assert.Subset(t, names(objects), []string{"/a.txt", "/sub/b.txt", "/sub/deep/c.txt", "/sub/w.txt"})
	objects, err = service.List(ctx, base+"/a.txt")
	require.NoError(t, err)
	assert.Equal(t, []string{"/a.txt"}, names(objects))
	objects, err = service.List(ctx, base+"/sub", option.NewPage(0, 2))
	require.NoError(t, err)
	assert.Equal(t, []string{"/sub/", "/sub/b.txt"}, names(objects))

	for url, want := range map[string]bool{"": true, "/sub": true, "/a.txt": true, "/a": false, "/sub/none": false} {
		there, err := service.Exists(ctx, base+url)
		require.NoError(t, err)
		assert.Equal(t, want, there, url)
	}
	folder, err := service.Object(ctx, base+"/sub")
	require.NoError(t, err)
	assert.True(t, folder.IsDir())
	require.NoError(t, service.Delete(ctx, base+"/a.txt"))
	require.NoError(t, service.Delete(ctx, base+"/sub"))
	assert.Equal(t, "written", read(t, m, base+"/sub/w.txt"), "a folder was deleted")
	_, err = service.OpenURL(ctx, base+"/a.txt")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, http.StatusNotFound, service.ErrorCode("gs", err))
	require.NoError(t, service.CloseAll())
}

func TestURLsThatNameNoObjectAreRefused(t *testing.T) {
	m := managerOf(t, new(gcsfake.Server))
	for _, url := range []string{"", "b/x", "gs://", "gs:///x", "gs://b", "gs://b/", "gs://b/folder/"} {
		_, err := m.Begin(t.Context(), url)
		assert.Equal(t, fault.ClassFatal, fault.Of(err), url)
		_, err = m.OpenURL(t.Context(), url)
		assert.Equal(t, fault.ClassFatal, fault.Of(err), url)
		assert.Equal(t, fault.ClassFatal, fault.Of(m.Delete(t.Context(), url)), url)
	}
	_, err := m.List(t.Context(), "nothing")
	require.Error(t, err)
}

func TestNewNamesEveryMistake(t *testing.T) {
	err := gsstore.Register(nil, gsstore.Config{ChunkBytes: 1000, Timeout: -1})
	for _, text := range []string{"client is nil", "ChunkBytes is 1000", "Timeout is -1"} {
		require.ErrorContains(t, err, text)
	}
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
}

func TestRequesterPays(t *testing.T) {
	client, err := (&gcsfake.Server{RequesterPays: true}).Client()
	require.NoError(t, err)
	m, err := gsstore.New(client, gsstore.Config{UserProject: "payer"})
	require.NoError(t, err)
	upload(t, m, "gs://bucket/x", "content")
	assert.Equal(t, "content", read(t, m, "gs://bucket/x"))
	err = manager(t, client).Upload(t.Context(), "gs://bucket/y", 0, strings.NewReader("x"))
	assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
}

// Who takes its time with what is listed is not taken for a store that does not answer.
func TestAListingWaitsForWhoReadsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &gcsfake.Server{PageSize: 1}
		m := managerOf(t, server)
		for _, name := range []string{"a", "b", "c"} {
			server.Put("bucket", "folder/"+name, "x", "")
		}
		n := 0
		for _, err := range m.All(t.Context(), "gs://bucket/folder") {
			require.NoError(t, err)
			time.Sleep(time.Hour)
			n++
		}
		assert.Equal(t, 3, n)
	})
}
