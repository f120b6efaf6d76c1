package doctest

import (
	"context"
	"encoding/json"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// scene is a folder to be drained into a queue, set up as in the README.
type scene struct {
	queue
	folder string
}

func newScene(t *testing.T) scene {
	t.Helper()
	s := scene{startQueue(t, "jobs"), t.TempDir()}
	require.NoError(t, os.Mkdir(s.path("spool"), 0o700))
	return s
}

func (s scene) path(name string) string { return filepath.Join(s.folder, name) }

// put writes a file into the folder that is drained.
func (s scene) put(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "spool", name), []byte(text), 0o600))
}

// drain is one run, as the README's program makes it. change may change the
// configuration.
func (s scene) drain(ctx context.Context, change func(*processor.Config)) (*processor.Response, error) {
	return drain(ctx, s.folder, s.URL(), s.name, change)
}

func drain(ctx context.Context, folder, endpoint, name string, change func(*processor.Config)) (*processor.Response, error) {
	files, err := dir.Open(filepath.Join(folder, "spool"), dir.Config{})
	if err != nil {
		return nil, err
	}
	defer files.Close()
	claims, err := disk.Open(filepath.Join(folder, "claims"), disk.Config{})
	if err != nil {
		return nil, err
	}
	defer claims.Close()
	queue, err := queueAt(endpoint, name)
	if err != nil {
		return nil, err
	}
	cfg := processor.Config{
		Source: files, Claimer: claims, Sink: queue,
		Transform:     transform.Chain(transform.StripPreamble{}, transform.MustProject("id", "user=user.screen_name")),
		RetryURL:      filepath.Join(folder, "retry"),
		FailedURL:     filepath.Join(folder, "failed"),
		CorruptionURL: filepath.Join(folder, "corrupt"),
	}
	if change != nil {
		change(&cfg)
	}
	service, err := processor.New(cfg)
	if err != nil {
		return nil, err
	}
	reporter, err := service.Run(ctx)
	if reporter == nil {
		return nil, err
	}
	return reporter.BaseResponse(), err
}

// aside is a line of a destination.
type aside struct{ Object, Reason string }

// setAside reads a destination.
func (s scene) setAside(t *testing.T, name string) []aside {
	t.Helper()
	var lines []aside
	folder := os.DirFS(s.folder)
	if _, err := fs.Stat(folder, name); err != nil {
		return nil
	}
	require.NoError(t, fs.WalkDir(folder, name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(folder, path)
		for line := range strings.Lines(string(text)) {
			var a aside
			require.NoError(t, json.Unmarshal([]byte(line), &a))
			lines = append(lines, a)
		}
		return err
	}))
	return lines
}

// vanishing is a source one of whose files is removed when it was just listed.
type vanishing struct {
	source.Source
	victim string
}

func (v vanishing) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for o, err := range v.Source.Objects(ctx) {
			if o.Key == filepath.Base(v.victim) {
				if removeErr := os.Remove(v.victim); removeErr != nil && err == nil {
					err = removeErr
				}
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
