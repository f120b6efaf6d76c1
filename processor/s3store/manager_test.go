package s3store_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/option"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/s3store"
)

const pieceLen = 5 << 20 // the least that S3 takes

func manager(tb testing.TB, client s3store.Client) *s3store.Manager {
	tb.Helper()
	m, err := s3store.New(client, s3store.Config{PartBytes: pieceLen, Parallel: 3})
	require.NoError(tb, err)
	return m
}

// rules hold on each S3. base is a folder of their own.
var rules = map[string]func(t *testing.T, m *s3store.Manager, base string){
	"AnObjectIsReadAsItWasWritten": anObjectIsReadAsItWasWritten,
	"NothingIsEverOverwritten":     nothingIsEverOverwritten,
	"WhatDoesNotExist":             whatDoesNotExist,
	"KeysAreTakenAsTheyAre":        keysAreTakenAsTheyAre,
	"ThroughTheServiceOfAFS":       throughTheServiceOfAFS,
	"WhatFailsIsRetriedFromS3":     whatFailsIsRetriedFromS3,
}

func TestRulesOnAFake(t *testing.T) { followRules(t, new(s3fake.Server).Client()) }

func TestRulesOnVersitygw(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector has seen the client in TestRulesOnAFake")
	}
	client := gatewayClient(t)
	followRules(t, client)
	t.Run("AKilledUploadIsInvisible", func(t *testing.T) { aKilledUploadIsInvisible(t, *client.Options().BaseEndpoint, client) })
	t.Run("ABucketThatDoesNotExistIsNoMissingObject", func(t *testing.T) {
		aBucketThatDoesNotExistIsNoMissingObject(t, manager(t, client))
	})
}

func followRules(t *testing.T, client s3store.Client) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) { rule(t, manager(t, client), "s3://bucket/"+rand.Text()) })
	}
}

// gatewayClient starts a versitygw for the rest of the test.
func gatewayClient(tb testing.TB) *s3.Client {
	tb.Helper()
	tool, addr := testtool.Find(tb, "versitygw"), testtool.Addr(tb)
	cmd := exec.CommandContext(context.Background(), tool, "--quiet", "--health", "/health", "--port", addr, "posix", tb.TempDir())
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=key", "ROOT_SECRET_KEY=secretsecret")
	testtool.Start(tb, cmd, testtool.Listening(addr))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	tb.Cleanup(transport.CloseIdleConnections)
	client := s3fake.ClientOf("http://"+addr, transport)
	_, err := client.CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")})
	require.NoError(tb, err)
	return client
}

func upload(t *testing.T, m *s3store.Manager, url, content string) {
	t.Helper()
	require.NoError(t, m.Upload(t.Context(), url, 0, strings.NewReader(content)))
}

func read(t *testing.T, m *s3store.Manager, url string) string {
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

func anObjectIsReadAsItWasWritten(t *testing.T, m *s3store.Manager, base string) {
	for _, n := range []int{0, 1, 100_000, pieceLen - 1, pieceLen, pieceLen + 1, 3*pieceLen + 17} {
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

func nothingIsEverOverwritten(t *testing.T, m *s3store.Manager, base string) {
	for _, n := range []int{3, pieceLen + 1} {
		url := fmt.Sprintf("%s/%d", base, n)
		upload(t, m, url, "first")
		err := m.Upload(t.Context(), url, 0, strings.NewReader(noise(n)))
		require.ErrorIs(t, err, fs.ErrExist)
		require.NotErrorIs(t, err, s3store.ErrUndecided)
		assert.Equal(t, "first", read(t, m, url))
		assert.Equal(t, http.StatusPreconditionFailed, m.ErrorCode(err))
	}
}

func whatDoesNotExist(t *testing.T, m *s3store.Manager, base string) {
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

func aBucketThatDoesNotExistIsNoMissingObject(t *testing.T, m *s3store.Manager) {
	_, err := m.OpenURL(t.Context(), "s3://absent/x")
	require.NotErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
	for _, err := range m.All(t.Context(), "s3://absent/x") {
		assert.Equal(t, fault.ClassFatal, fault.Of(err), "%v", err)
	}
	require.Error(t, m.Upload(t.Context(), "s3://absent/x", 0, strings.NewReader("x")))
}

func keysAreTakenAsTheyAre(t *testing.T, m *s3store.Manager, base string) {
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
	server := &s3fake.Server{PageSize: 10}
	m := manager(t, server.Client())
	for i := range 95 {
		upload(t, m, fmt.Sprintf("s3://b/x/%02d/%02d", i%7, i), "x")
	}
	seen, last := 0, ""
	for o, err := range m.All(t.Context(), "s3://b/x") {
		require.NoError(t, err)
		require.Less(t, last, o.URL())
		last = o.URL()
		require.NoError(t, m.Delete(t.Context(), o.URL()), "what is listed may be deleted meanwhile")
		seen++
	}
	assert.Equal(t, 95, seen)
	assert.Equal(t, 10, server.LargestPage())

	upload(t, m, "s3://b/x/a", "x")
	pages := server.Count("ListObjectsV2")
	for range m.All(t.Context(), "s3://b/x") {
		break
	}
	assert.Equal(t, pages+1, server.Count("ListObjectsV2"))
}

func TestAListingThatDoesNotEndIsAnError(t *testing.T) {
	endless := endlessLister{Client: new(s3fake.Server).Client()}
	for _, err := range manager(t, endless).All(t.Context(), "s3://b/x") {
		require.ErrorContains(t, err, "there is more")
	}
}

type endlessLister struct{ s3store.Client }

func (endlessLister) ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return &s3.ListObjectsV2Output{IsTruncated: aws.Bool(true), NextContinuationToken: aws.String("again")}, nil
}

// What afs users do with any other scheme.
func throughTheServiceOfAFS(t *testing.T, m *s3store.Manager, base string) {
	afs.GetRegistry().Register("s3", func(...storage.Option) (storage.Manager, error) { return m, nil })
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

	names := func(objects []storage.Object) (names []string) {
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
	assert.Equal(t, []string{"/sub/", "/sub/deep/", "/sub/b.txt", "/sub/empty", "/sub/w.txt"}, names(objects))
	objects, err = service.List(ctx, base, option.NewRecursive(true))
	require.NoError(t, err)
	assert.Subset(t, names(objects), []string{"/a.txt", "/sub/b.txt", "/sub/deep/c.txt", "/sub/w.txt"})
	objects, err = service.List(ctx, base+"/a.txt")
	require.NoError(t, err)
	assert.Equal(t, []string{"/a.txt"}, names(objects))
	objects, err = service.List(ctx, base+"/sub", option.NewPage(0, 2))
	require.NoError(t, err)
	assert.Equal(t, []string{"/sub/", "/sub/deep/"}, names(objects))

	for url, want := range map[string]bool{"": true, "/sub": true, "/a.txt": true, "/a": false, "/sub/none": false} {
		there, err := service.Exists(ctx, base+url)
		require.NoError(t, err)
		assert.Equal(t, want, there, url)
	}
	folder, err := service.Object(ctx, base+"/sub")
	require.NoError(t, err)
	assert.True(t, folder.IsDir())
	require.NoError(t, service.Copy(ctx, base+"/sub/w.txt", "mem://localhost/"+rand.Text()+"/w.txt"))
	require.NoError(t, service.Delete(ctx, base+"/a.txt"))
	require.NoError(t, service.Delete(ctx, base+"/sub"))
	assert.Equal(t, "written", read(t, m, base+"/sub/w.txt"), "a folder was deleted")
	_, err = service.OpenURL(ctx, base+"/a.txt")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, http.StatusNotFound, service.ErrorCode("s3", err))
	require.NoError(t, service.CloseAll())
}

func TestURLsThatNameNoObjectAreRefused(t *testing.T) {
	m := manager(t, new(s3fake.Server).Client())
	for _, url := range []string{"", "b/x", "s3://", "s3:///x", "s3://b", "s3://b/", "s3://b/folder/"} {
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
	err := s3store.Register(nil, s3store.Config{PartBytes: 1000, Parallel: -1})
	for _, text := range []string{"client is nil", "PartBytes is 1000", "Parallel is -1"} {
		require.ErrorContains(t, err, text)
	}
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
}
