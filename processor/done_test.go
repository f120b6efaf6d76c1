package processor_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
)

// doneScene is a folder with one file, in/numbers.txt, that Do is given.
type doneScene struct {
	*push
	folder string
	file   string
	src    *dir.Source
}

func newDoneScene(t *testing.T, lines []string, process func(ctx context.Context, line string) error) *doneScene {
	t.Helper()
	s := &doneScene{push: newPush(t, t.TempDir(), process), folder: t.TempDir()}
	s.file = filepath.Join(s.folder, "in", "numbers.txt")
	require.NoError(t, os.Mkdir(filepath.Dir(s.file), 0o700))
	require.NoError(t, os.WriteFile(s.file, []byte(strings.Join(lines, "\n")), 0o600))
	src, err := dir.Open(s.folder, dir.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = src.Close() })
	s.src = src
	s.cfg.Source, s.cfg.Claimer = src, memory.New()
	s.cfg.OnDone = processor.OnDoneDelete
	return s
}

func (s *doneScene) object(ctx context.Context) (*processor.Response, error) {
	s.t.Helper()
	return s.request(ctx, &processor.Request{
		Object:    &source.Object{Key: "in/numbers.txt", Size: -1},
		StartTime: time.Date(2026, 11, 22, 23, 30, 0, 0, time.FixedZone("", -3600)), // after midnight in UTC
	})
}

func TestDoneObjectIsDeletedOrMoved(t *testing.T) {
	errs := map[string]error{"line-000003": errNotNow, "line-000004": processor.NewDataCorruption("bad")}
	for _, what := range []processor.OnDone{processor.OnDoneDelete, processor.OnDoneMove, processor.OnDoneKeep} {
		s := newDoneScene(t, numbered(10), func(_ context.Context, line string) error { return errs[line] })
		to := t.TempDir()
		if s.cfg.OnDone = what; what == processor.OnDoneMove {
			s.cfg.OnDoneURL = to + "/$TimePath"
		}
		resp, err := s.object(t.Context())
		require.NoError(t, err)
		assert.Empty(t, s.parts("failed"))
		assert.EqualValues(t, 8, resp.Processed)
		s.settledOnce(numbered(10))
		if what == processor.OnDoneKeep {
			assert.FileExists(t, s.file)
			assert.Zero(t, resp.Removed)
			continue
		}
		assert.NoFileExists(t, s.file)
		assert.EqualValues(t, 1, resp.Removed)
		if what == processor.OnDoneMove {
			assert.FileExists(t, filepath.Join(to, "2026/11/23/00/in/numbers.txt"))
		}
	}
}

// Whatever is not settled keeps the object where it is.
func TestDoneObjectStaysUntilAllIsSettled(t *testing.T) {
	t.Run("Post fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newDoneScene(t, numbered(10), accept)
			s.cfg.Processor = withPost{s.cfg.Processor, func(context.Context) error { return errNotNow }}
			_, err := s.object(t.Context())
			require.ErrorIs(t, err, errNotNow)
			assert.FileExists(t, s.file)
		})
	})
	t.Run("Pre fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newDoneScene(t, numbered(10), accept)
			s.cfg.Processor = withPre{s.cfg.Processor, func(context.Context) (context.Context, error) { return nil, errNotNow }}
			_, err := s.object(t.Context())
			require.ErrorIs(t, err, errNotNow)
			assert.FileExists(t, s.file)
		})
	})
	t.Run("retry destination cannot be written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newDoneScene(t, numbered(10), refuse)
			s.cfg.RetryURL = blocked(t)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := s.object(ctx)
			require.ErrorIs(t, err, processor.ErrUnread)
			assert.FileExists(t, s.file)
		})
	})
	t.Run("it is changed meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newDoneScene(t, numbered(10), accept)
			inner := s.cfg.Processor
			s.cfg.Processor = withPost{inner, func(context.Context) error {
				return os.WriteFile(s.file, []byte("other content"), 0o600)
			}}
			resp, err := s.object(t.Context())
			require.NoError(t, err)
			assert.FileExists(t, s.file)
			assert.Zero(t, resp.Removed)
			assert.Equal(t, processor.StatusOK, resp.Status, "all is processed")
			assert.Contains(t, strings.Join(resp.Errors, "\n"), "delete in/numbers.txt, which is done")
		})
	})
	t.Run("something has its name", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newDoneScene(t, numbered(10), accept)
			s.cfg.OnDone, s.cfg.OnDoneURL = processor.OnDoneMove, t.TempDir()
			there := filepath.Join(s.cfg.OnDoneURL, "in", "numbers.txt")
			require.NoError(t, os.Mkdir(filepath.Dir(there), 0o700))
			require.NoError(t, os.WriteFile(there, []byte("mine"), 0o600))
			resp, err := s.object(t.Context())
			require.NoError(t, err)
			assert.FileExists(t, s.file)
			text, err := os.ReadFile(there)
			require.NoError(t, err)
			assert.Equal(t, "mine", string(text))
			assert.Contains(t, strings.Join(resp.Errors, "\n"), "move in/numbers.txt, which is done")
		})
	})
}

// A ticket names the object: it stays until the last of it is worked off.
func TestDoneObjectStaysWhileATicketNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDoneScene(t, large(), accept)
		ctx, cancel := context.WithCancel(t.Context())
		s.cfg.Processor = s.noting(func(context.Context, string) error { cancel(); return nil })
		s.cfg.Concurrency = 1
		resp, err := s.object(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.FileExists(t, s.file)
		tickets := 0
		for _, e := range s.kept("retry") {
			if e.Stage == "ticket" {
				tickets++
			}
		}
		require.Equal(t, 1, tickets)
		s.use(accept)
		for s.again(time.Minute) > 0 {
		}
		assert.NoFileExists(t, s.file)
		assert.Len(t, s.done.lines(), len(large()))
	})
}

// What is stored is deleted, whatever comes of it when it is read.
func TestDoneObjectThatIsDecoded(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(strings.Join(numbered(10), "\n")))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, cut := range []int{0, 3} { // what is cut off is one corrupt record
		s := newDoneScene(t, nil, accept)
		require.NoError(t, os.WriteFile(s.file, packed.Bytes()[:packed.Len()-cut], 0o600))
		s.cfg.Source, err = decompress.New(s.src, decompress.Config{})
		require.NoError(t, err)
		resp, err := s.object(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, min(1, resp.Processed))
		if cut > 0 { // not all of it could be read
			assert.FileExists(t, s.file)
			assert.Zero(t, resp.Removed)
		} else {
			assert.NoFileExists(t, s.file)
		}
	}
}

func TestDoneIsNotForRun(t *testing.T) {
	s := newDoneScene(t, numbered(3), accept)
	svc, err := processor.New(s.cfg)
	require.NoError(t, err)
	_, err = svc.Run(t.Context())
	require.ErrorContains(t, err, "Archive")
	_, err = svc.Watch(t.Context())
	require.ErrorContains(t, err, "Archive")
	assert.FileExists(t, s.file)
}

// stubborn removes nothing, and misbehaves.
type stubborn struct {
	*processortest.Source
	remove func() []error
}

func (s stubborn) Stat(context.Context, string) (source.Object, time.Time, error) {
	return source.Object{}, time.Time{}, errors.New("not asked")
}
func (s stubborn) Remove(context.Context, []source.Object) []error { return s.remove() }

func TestDoneObjectThatCannotBeRemovedIsTold(t *testing.T) {
	for name, remove := range map[string]func() []error{
		"fails":    func() []error { return []error{errors.New("read only")} },
		"panics":   func() []error { panic("no") },
		"is terse": func() []error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newDoneScene(t, nil, accept)
			src := stubborn{&processortest.Source{}, remove}
			src.Put("in/numbers.txt", []byte("1\n2"))
			s.cfg.Source = src
			resp, err := s.object(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, 2, resp.Processed)
			assert.Zero(t, resp.Removed)
			assert.Contains(t, strings.Join(resp.Errors, "\n"), "delete")
		})
	}
}

func TestDoneMistakes(t *testing.T) {
	s := newDoneScene(t, nil, accept)
	for want, change := range map[string]func(c *processor.Config){
		"OnDone: \"burn\"":                     func(c *processor.Config) { c.OnDone = "burn" },
		"OnDone: needs a Source":               func(c *processor.Config) { c.Source = nil },
		"OnDone: *processortest.Source cannot": func(c *processor.Config) { c.Source = &processortest.Source{} },
		"OnDoneURL: is for":                    func(c *processor.Config) { c.OnDoneURL = "x" },
		"OnDoneURL: required":                  func(c *processor.Config) { c.OnDone = processor.OnDoneMove },
		"OnDoneURL: unknown macro":             func(c *processor.Config) { c.OnDone, c.OnDoneURL = processor.OnDoneMove, "x/$NOPE" },
		"OnDoneURL: lies in": func(c *processor.Config) {
			c.OnDone, c.OnDoneURL = processor.OnDoneMove, s.folder+"/done"
		},
		"cannot move": func(c *processor.Config) {
			c.Source, c.OnDone = stubborn{&processortest.Source{}, nil}, processor.OnDoneMove
		},
	} {
		cfg := s.cfg
		change(&cfg)
		_, err := processor.New(cfg)
		assert.ErrorContains(t, err, want)
	}
}
