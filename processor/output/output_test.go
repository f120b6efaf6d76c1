package output_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/mem"
	"github.com/viant/afs/storage"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/output"
	"github.com/unspool-go/unspool/processor/s3store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns the files of a call whose destination is url.
func open(t *testing.T, url string, cfg output.Config) *output.Files {
	t.Helper()
	reporter := processor.NewReporter()
	reporter.BaseResponse().DestinationURL = url
	reporter.BaseResponse().StartTime = time.Date(2026, 11, 22, 23, 5, 0, 0, time.UTC)
	ctx, err := output.Open(t.Context(), reporter, cfg)
	require.NoError(t, err)
	return output.From(ctx)
}

// content is what the visible files below dir hold, by name without the unique part.
func content(t *testing.T, dir string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && (d.IsDir() || d.Name()[0] == '.') {
			return nil
		}
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		key, _, _ := strings.Cut(name, "~")
		all[key] = append(all[key], string(data))
		return nil
	}))
	return all
}

// Nothing is to be seen before Commit, and everything after.
func TestFilesAppearWithCommit(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, output.Config{})
	require.NoError(t, f.Append("eu/orders", []byte("1")))
	require.NoError(t, f.Append("us", []byte("2\n")))
	require.NoError(t, f.Append("eu/orders", []byte("3")))
	assert.Empty(t, content(t, dir))
	assert.Empty(t, f.URLs())
	require.NoError(t, f.Commit(t.Context()))
	assert.Equal(t, map[string][]string{"eu/orders": {"1\n3\n"}, "us": {"2\n"}}, content(t, dir))
	assert.Len(t, f.URLs(), 2)
	for _, url := range f.URLs() {
		assert.FileExists(t, url)
	}
	require.Error(t, f.Append("us", []byte("4")))
	require.Error(t, f.Commit(t.Context()))
	assert.Len(t, f.URLs(), 2)
}

// Nothing is written where nothing was appended.
func TestNothingAppended(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, open(t, dir, output.Config{}).Commit(t.Context()))
	assert.Empty(t, content(t, dir))
}

// Whatever a key holds, its file is below the folder, and no two keys share one.
func TestHostileKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f := open(t, dir, output.Config{MaxOpen: 100})
	keys := []string{"..", "../../x", "/etc/x", ".hidden", "a//b", "a/b", "a\x00b", strings.Repeat("long", 500), strings.Repeat("long", 501), "-retry01", "ü\xff"}
	for _, key := range keys {
		require.NoError(t, f.Append(key, []byte(key)))
	}
	require.NoError(t, f.Commit(t.Context()))
	for _, folder := range []string{dir, filepath.Dir(filepath.Dir(dir))} {
		var got []string
		for _, files := range content(t, folder) {
			got = append(got, files...)
		}
		slices.Sort(got)
		want := slices.Clone(keys)
		for i := range want {
			want[i] += "\n"
		}
		slices.Sort(want)
		assert.Equal(t, want, got)
	}
}

func TestMacrosAndNames(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir+"/$TimePath", output.Config{
		Ext: ".csv", MaxRecords: 1, Name: func(key string, n int) string { return fmt.Sprintf("%s-%03d", key, n) },
	})
	for _, line := range []string{"1", "2", "3"} {
		require.NoError(t, f.Append("k", []byte(line)))
	}
	require.NoError(t, f.Commit(t.Context()))
	assert.Equal(t, map[string][]string{
		"2026/11/22/23/k-000.csv": {"1\n"}, "2026/11/22/23/k-001.csv": {"2\n"}, "2026/11/22/23/k-002.csv": {"3\n"},
	}, content(t, dir))
}

// A file that is there already is not replaced, and Commit fails.
func TestNothingIsReplaced(t *testing.T) {
	require.NoError(t, s3store.Register(new(s3fake.Server).Client(), s3store.Config{}))
	for kind, base := range map[string]string{"folder": t.TempDir(), "memory": "mem://localhost" + t.TempDir(), "s3": "s3://bucket/out"} {
		t.Run(kind, func(t *testing.T) {
			same := output.Config{Name: func(string, int) string { return "same" }}
			f := open(t, base, same)
			require.NoError(t, f.Append("", []byte("first")))
			require.NoError(t, f.Commit(t.Context()))
			f = open(t, base, same)
			err := f.Append("", []byte("second"))
			if err == nil {
				err = f.Commit(t.Context())
			}
			require.ErrorIs(t, err, fs.ErrExist)
			require.Error(t, f.Append("", []byte("third")))
		})
	}
}

func TestCompressed(t *testing.T) {
	for ext, decode := range map[string]func(io.Reader) (io.Reader, error){
		".json.gz":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		".ndjson.zst": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	} {
		t.Run(ext, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir, output.Config{Ext: ext})
			var want bytes.Buffer
			for i := range 10_000 {
				line := fmt.Appendf(nil, "line %d", i)
				require.NoError(t, f.Append("k", line))
				want.Write(append(line, '\n'))
			}
			require.NoError(t, f.Commit(t.Context()))
			r, err := decode(strings.NewReader(content(t, dir)["k"][0]))
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want.Bytes(), got))
		})
	}
}

// A file that is full is committed, and the next record begins another.
func TestRotation(t *testing.T) {
	for name, cfg := range map[string]output.Config{
		"records": {MaxRecords: 2},
		"bytes":   {MaxBytes: 20}, // each line has 10
		"age":     {MaxAge: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := open(t, dir, cfg)
				for i := range 5 {
					require.NoError(t, f.Append("k", fmt.Appendf(nil, "%09d", i)))
					time.Sleep(time.Second)
				}
				assert.Len(t, content(t, dir)["k"], 2)
				require.NoError(t, f.Commit(t.Context()))
			})
			got := content(t, dir)["k"]
			assert.Len(t, got, 3)
			assert.Equal(t, "000000000\n000000001\n000000002\n000000003\n000000004\n", strings.Join(got, ""))
		})
	}
}

// However many keys there are, no more than MaxOpen files are written to, and
// nothing is lost by that.
func TestManyKeys(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, output.Config{MaxOpen: 3})
	for i := range 60 {
		require.NoError(t, f.Append(fmt.Sprint("k", i%20), fmt.Append(nil, i)))
		unfinished, err := filepath.Glob(dir + "/.part-*")
		require.NoError(t, err)
		assert.LessOrEqual(t, len(unfinished), 3)
	}
	require.NoError(t, f.Commit(t.Context()))
	var got []string
	for _, files := range content(t, dir) {
		got = append(got, strings.Fields(strings.Join(files, ""))...)
	}
	slices.Sort(got)
	assert.Len(t, slices.Compact(got), 60)

	dir = t.TempDir()
	f = open(t, dir, output.Config{MaxOpen: 2})
	for _, key := range []string{"a", "b", "a", "c", "a"} { // b is the one that makes room
		require.NoError(t, f.Append(key, []byte("x")))
	}
	require.NoError(t, f.Commit(t.Context()))
	assert.Equal(t, map[string][]string{"a": {"x\nx\nx\n"}, "b": {"x\n"}, "c": {"x\n"}}, content(t, dir))
}

// Append is for many goroutines: no record is lost, torn, or there twice.
func TestConcurrentAppends(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, output.Config{MaxOpen: 2, MaxRecords: 50})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 250 {
				assert.NoError(t, f.Append(fmt.Sprint("k", i%3), fmt.Appendf(nil, "%d/%d", g, i)))
			}
		})
	}
	wg.Wait()
	require.NoError(t, f.Commit(t.Context()))
	seen := map[string]int{}
	for _, files := range content(t, dir) {
		for _, text := range files {
			lines := strings.Fields(text)
			assert.LessOrEqual(t, len(lines), 50)
			for _, line := range lines {
				seen[line]++
			}
		}
	}
	assert.Len(t, seen, 8*250)
	for line, n := range seen {
		assert.Equal(t, 1, n, line)
	}
}

// What cannot be completed until the context ends fails the commit, is marked as
// an outage, and leaves nothing to be seen.
func TestCommitFailsWhereAFileIsLost(t *testing.T) {
	server := &s3fake.Server{Fault: func(op string, _ *http.Request) (f s3fake.Fault) {
		if op == "PutObject" {
			f.Status, f.Code = http.StatusServiceUnavailable, "SlowDown"
		}
		return f
	}}
	require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
	f := open(t, "s3://bucket/out", output.Config{})
	require.NoError(t, f.Append("a", []byte("1")))
	require.NoError(t, f.Append("b", []byte("2")))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := f.Commit(ctx)
	require.Error(t, err)
	assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
	assert.Empty(t, f.URLs())
	assert.Empty(t, server.Objects())
}

// Commit returns when its context ends.
func TestCommitEndsWithItsContext(t *testing.T) {
	server := &s3fake.Server{Fault: func(_ string, r *http.Request) s3fake.Fault {
		<-r.Context().Done()
		return s3fake.Fault{Drop: true}
	}}
	require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
	f := open(t, "s3://bucket/out", output.Config{})
	require.NoError(t, f.Append("a", []byte("1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, f.Commit(ctx))
}

func TestOpenNamesEveryMistake(t *testing.T) {
	_, err := output.Open(t.Context(), processor.NewReporter(), output.Config{Ext: "json", MaxBytes: -1, MaxRecords: -1, MaxAge: -1, MaxOpen: -1})
	require.Error(t, err)
	for _, field := range []string{"Ext", "MaxBytes", "MaxRecords", "MaxAge", "MaxOpen", "destination"} {
		assert.Contains(t, err.Error(), field)
	}
	assert.Panics(t, func() { output.From(t.Context()) })
}

// copying appends each record to the output.
type copying struct{ cfg output.Config }

func (c copying) Pre(ctx context.Context, r processor.Reporter) (context.Context, error) {
	return output.Open(ctx, r, c.cfg)
}

func (c copying) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	return output.From(ctx).Append("", data)
}

func (c copying) Post(ctx context.Context, _ processor.Reporter) error {
	return output.From(ctx).Commit(ctx)
}

// If the output cannot be committed nothing is finished: every record is in the
// retry destination, once.
func TestNothingIsFinishedWithoutItsOutput(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/out", nil, 0o600)) // in the way of the folder
	service, err := processor.New(processor.Config{
		Processor: copying{}, DestinationURL: dir + "/out",
		RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
	})
	require.NoError(t, err)
	report, err := service.Do(t.Context(), processor.NewRequest(strings.NewReader("1\n2\n3\n"), nil, "n.txt"))
	require.Error(t, err)
	resp := report.BaseResponse()
	assert.EqualValues(t, 3, resp.RetryErrors)
	assert.Zero(t, resp.Processed)
	retried := strings.Join(content(t, dir+"/retry")["n.txt"], "")
	for _, data := range []string{`"data":"1"`, `"data":"2"`, `"data":"3"`} {
		assert.Equal(t, 1, strings.Count(retried, data))
	}
}

// What cannot be handed on any more when the file is to be completed fails the
// commit.
func TestCommitFailsWhereTheLastBytesAreLost(t *testing.T) {
	away := errors.New("away")
	afs.GetRegistry().Register("outputlost", func(...storage.Option) (storage.Manager, error) {
		return losing{mem.New(), away}, nil
	})
	f := open(t, "outputlost://bucket/out", output.Config{})
	require.NoError(t, f.Append("", bytes.Repeat([]byte("x"), 50<<10))) // as much as is held back
	require.ErrorIs(t, f.Commit(t.Context()), away)
	assert.Empty(t, f.URLs())
}

// losing is an afs manager that takes nothing.
type losing struct {
	storage.Manager
	err error
}

func (m losing) Upload(context.Context, string, os.FileMode, io.Reader, ...storage.Option) error {
	return m.err
}

// After an error the files that are begun are discarded, and leave nothing behind.
func TestWhatWasBegunIsDiscardedAfterAnError(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, output.Config{Name: func(key string, _ int) string { return key }})
	require.NoError(t, f.Append("begun", []byte("1")))
	err := f.Append("../outside", []byte("2"))
	require.Error(t, err)
	require.Equal(t, err, f.Commit(t.Context()))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	assert.Empty(t, f.URLs())
}

// A store that does not answer for a while is asked until it is known whether it has
// the file.
func TestCommitAsksUntilItIsKnown(t *testing.T) {
	var calls atomic.Int64
	server := &s3fake.Server{Fault: func(string, *http.Request) (f s3fake.Fault) {
		if calls.Add(1) <= 12 {
			f.Status, f.Code = http.StatusServiceUnavailable, "SlowDown"
		}
		return f
	}}
	require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
	synctest.Test(t, func(t *testing.T) {
		f := open(t, "s3://bucket/out", output.Config{})
		require.NoError(t, f.Append("", []byte("1")))
		require.NoError(t, f.Commit(t.Context()))
		assert.Len(t, f.URLs(), 1)
	})
	assert.Len(t, server.Objects(), 1)
}

// A store that will never tell is not asked for ever, where no context ends: what was
// processed is tried again.
func TestCommitDoesNotAskForEver(t *testing.T) {
	server := &s3fake.Server{Fault: func(string, *http.Request) s3fake.Fault {
		return s3fake.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	}}
	require.NoError(t, s3store.Register(server.Client(), s3store.Config{}))
	synctest.Test(t, func(t *testing.T) {
		f := open(t, "s3://bucket/out", output.Config{})
		require.NoError(t, f.Append("", []byte("1")))
		begun := time.Now()
		err := f.Commit(t.Context())
		require.Error(t, err)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		assert.Greater(t, time.Since(begun), time.Minute)
	})
	assert.Empty(t, server.Objects())
}
