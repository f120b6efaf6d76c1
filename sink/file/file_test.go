package file_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/file"
	"github.com/unspool-go/unspool/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSink(t testing.TB, dir string, cfg file.Config) *file.Sink {
	s, err := file.New(dir, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// names lists the visible files, by age.
func names(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
	require.NoError(t, err)
	return all
}

// hidden lists the files that are not whole.
func hidden(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	return all
}

// lines reads every line of every visible file.
func lines(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	for _, name := range names(t, dir) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		var r io.Reader = bytes.NewReader(data)
		switch filepath.Ext(name) {
		case ".gz":
			r, err = gzip.NewReader(r)
			require.NoError(t, err)
		case ".zst":
			z, err := zstd.NewReader(r)
			require.NoError(t, err)
			defer z.Close()
			r = z
		}
		text, err := io.ReadAll(r)
		require.NoError(t, err, "%s is not whole", name)
		require.True(t, strings.HasSuffix(string(text), "\n"), "%s ends within a line", name)
		out = append(out, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return out
}

func messages(lines []string) []sink.Message {
	var out []sink.Message
	for _, l := range lines {
		out = append(out, sink.Message{Body: []byte(l)})
	}
	return out
}

func TestConformance(t *testing.T) {
	for _, cfg := range []file.Config{
		{}, {Ext: ".json.gz"}, {Ext: ".ndjson.zst"}, {Ext: ".ndjson", MaxBytes: 100},
	} {
		t.Run(fmt.Sprint(cfg), func(t *testing.T) {
			dirs := map[sink.Sink]string{}
			sinktest.Run(t, sinktest.Harness{
				New: func(t testing.TB) sink.Sink {
					dir := t.TempDir()
					s := newSink(t, dir, cfg)
					dirs[s] = dir
					return s
				},
				Accepted: func(t testing.TB, s sink.Sink) []sink.Message { return messages(lines(t, dirs[s])) },
				Poison:   &sink.Message{Body: []byte{}},
			})
		})
	}
}

func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	s, err := file.New(dir, file.Config{Ext: ".ndjson"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	fmt.Println(s.Send(ctx, []sink.Message{{Body: []byte(`{"id":1}`)}, {Body: []byte(`{"id":2}`)}}))
	fmt.Println(s.Close()) // or Flush, to go on afterwards

	written, _ := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	for _, name := range written {
		text, _ := os.ReadFile(name)
		fmt.Printf("%s", text)
	}
	// Output:
	// <nil>
	// <nil>
	// {"id":1}
	// {"id":2}
}

func TestNothingIsVisibleBeforeFlush(t *testing.T) {
	dir := t.TempDir()
	s := newSink(t, dir, file.Config{})
	require.NoError(t, s.Send(t.Context(), messages([]string{"a", "b\n"})))
	assert.Empty(t, names(t, dir))
	require.NoError(t, s.Flush(t.Context()))
	assert.Equal(t, []string{"a", "b"}, lines(t, dir))
	require.NoError(t, s.Flush(t.Context()))
	assert.Len(t, names(t, dir), 1, "a flush of nothing made a file")
	assert.Empty(t, hidden(t, dir))
}

func TestAFileThatWasFlushedIsNeverWrittenToAgain(t *testing.T) {
	dir := t.TempDir()
	s := newSink(t, dir, file.Config{})
	require.NoError(t, s.Send(t.Context(), messages([]string{"a"})))
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.Send(t.Context(), messages([]string{"b"})))
	require.NoError(t, s.Flush(t.Context()))
	assert.Len(t, names(t, dir), 2)
	assert.Equal(t, []string{"a", "b"}, lines(t, dir), "names are in order of time")
}

func TestFilesRotateBySize(t *testing.T) {
	dir := t.TempDir()
	s := newSink(t, dir, file.Config{MaxBytes: 100})
	var want []string
	for i := range 50 {
		line := fmt.Sprintf("line %04d", i) // ten bytes with its newline
		want = append(want, line)
		require.NoError(t, s.Send(t.Context(), messages([]string{line})))
	}
	long := strings.Repeat("x", 500)
	require.NoError(t, s.Send(t.Context(), messages([]string{long})))
	require.NoError(t, s.Close())
	assert.Equal(t, append(want, long), lines(t, dir))
	all := names(t, dir)
	require.Len(t, all, 6)
	for _, name := range all[:5] {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.EqualValues(t, 100, info.Size())
	}
}

func TestManySinksShareAFolder(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	want := map[string]bool{}
	for w := range 4 {
		for i := range 30 {
			want[fmt.Sprintf("%d/%d", w, i)] = true
		}
		wg.Go(func() {
			s := newSink(t, dir, file.Config{MaxBytes: 50})
			for i := range 30 {
				assert.NoError(t, s.Send(t.Context(), messages([]string{fmt.Sprintf("%d/%d", w, i)})))
			}
			assert.NoError(t, s.Close())
		})
	}
	wg.Wait()
	got := map[string]bool{}
	for _, line := range lines(t, dir) {
		got[line] = true
	}
	assert.Equal(t, want, got)
}

func TestCloseFlushesAndEndsTheSink(t *testing.T) {
	dir := t.TempDir()
	s := newSink(t, dir, file.Config{Ext: ".gz"})
	require.NoError(t, s.Send(t.Context(), messages([]string{"a"})))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	assert.Equal(t, []string{"a"}, lines(t, dir))
	err := s.Send(t.Context(), messages([]string{"b"}))
	assert.ErrorIs(t, err, fs.ErrClosed)
	assert.True(t, fault.Is(err, fault.ClassFatal))
}

func TestAFolderThatIsLostIsToldByFlushAndTheSinkGoesOn(t *testing.T) {
	dir := t.TempDir() + "/out"
	s := newSink(t, dir, file.Config{})
	require.NoError(t, s.Send(t.Context(), messages([]string{"lost"})))
	require.NoError(t, os.RemoveAll(dir))
	err := s.Flush(t.Context())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))

	require.NoError(t, s.Flush(t.Context()), "it was told already")
	require.NoError(t, s.Send(t.Context(), messages([]string{"again"})))
	require.NoError(t, s.Flush(t.Context()))
	assert.Equal(t, []string{"again"}, lines(t, dir))
}

func TestARotationThatFailedIsToldByFlush(t *testing.T) {
	dir := t.TempDir() + "/out"
	s := newSink(t, dir, file.Config{MaxBytes: 10})
	require.NoError(t, s.Send(t.Context(), messages([]string{"lost"})))
	require.NoError(t, os.RemoveAll(dir))
	err := s.Send(t.Context(), messages([]string{"more than ten"}))
	assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	require.NoError(t, s.Send(t.Context(), messages([]string{"more than ten"})))
	assert.Error(t, s.Flush(t.Context()), "the lost message counts as delivered")
	assert.Equal(t, []string{"more than ten"}, lines(t, dir))
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	crashed, err := file.New(dir, file.Config{})
	require.NoError(t, err)
	require.NoError(t, crashed.Send(t.Context(), messages([]string{"a"})))
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range hidden(t, dir) {
		require.NoError(t, os.Chtimes(name, old, old))
	}
	s := newSink(t, dir, file.Config{})
	require.NoError(t, s.Send(t.Context(), messages([]string{"b"})))
	n, err := s.Sweep(t.Context(), time.Hour)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Len(t, hidden(t, dir), 1, "the file of the living sink")
	require.NoError(t, s.Flush(t.Context()))
	assert.Error(t, crashed.Flush(t.Context()))
	assert.Equal(t, []string{"b"}, lines(t, dir))
}

func TestEveryMistakeInTheConfigurationIsNamed(t *testing.T) {
	_, err := file.New(" ", file.Config{Ext: "a/b", MaxBytes: -1})
	assert.ErrorContains(t, err, "dir")
	assert.ErrorContains(t, err, "ext")
	assert.ErrorContains(t, err, "max bytes")
	for _, ext := range []string{"ndjson", "./x", "." + strings.Repeat("x", 100), ".a\x00"} {
		_, err := file.New("x", file.Config{Ext: ext})
		assert.ErrorContains(t, err, "ext", "%q", ext)
	}
}

func TestWriterConformance(t *testing.T) {
	outputs := map[sink.Sink]*bytes.Buffer{}
	sinktest.Run(t, sinktest.Harness{
		New: func(testing.TB) sink.Sink {
			var out bytes.Buffer
			s := file.NewWriter(&out)
			outputs[s] = &out
			return s
		},
		Accepted: func(_ testing.TB, s sink.Sink) []sink.Message {
			var got []string
			for scanner := bufio.NewScanner(bytes.NewReader(outputs[s].Bytes())); scanner.Scan(); {
				got = append(got, scanner.Text())
			}
			return messages(got)
		},
		Poison: &sink.Message{Body: []byte{}},
	})
}

func ExampleNewWriter() {
	s := file.NewWriter(os.Stdout)
	ctx := context.Background()
	if err := s.Send(ctx, []sink.Message{{Body: []byte(`{"id":1}`)}, {Body: []byte(`{"id":2}`)}}); err != nil {
		fmt.Println(err)
	}
	if err := s.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"id":1}
	// {"id":2}
}

// broken is a writer whose reader has gone.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestAWriterThatFailsStopsTheRun(t *testing.T) {
	gone := errors.New("gone")
	s := file.NewWriter(broken{gone})
	require.NoError(t, s.Send(t.Context(), messages([]string{"a"})), "held back")
	for range 2 {
		err := s.Flush(t.Context())
		assert.ErrorIs(t, err, gone)
		assert.True(t, fault.Is(err, fault.ClassFatal))
		err = s.Send(t.Context(), messages([]string{"b"}))
		assert.ErrorIs(t, err, gone)
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
}

func BenchmarkSend(b *testing.B) {
	for _, ext := range []string{".ndjson", ".ndjson.gz", ".ndjson.zst"} {
		b.Run(ext, func(b *testing.B) {
			s := newSink(b, b.TempDir(), file.Config{Ext: ext})
			batch := messages([]string{strings.Repeat(`{"id":1,"text":"some text"},`, 9_000)})
			b.SetBytes(int64(len(batch[0].Body)))
			for b.Loop() {
				require.NoError(b, s.Send(b.Context(), batch))
			}
		})
	}
}
