package redrive_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/mem"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/memory"
)

// A record may be nested deeper than a stack can hold, and lie in the corruption
// destination for that: it has no fields, and kills nobody who asks for them.
func TestFieldsOfADeepRecord(t *testing.T) {
	at := filepath.Join(t.TempDir(), "corrupt")
	deep := record("a", 1)
	deep.Data = []byte(`{"id":3,"deep":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}")
	put(t, at, "a", deep, record("a", 3))
	for _, stage := range []string{"", redrive.StageMessage} {
		report, err := redrive.Run(t.Context(), redrive.Config{
			From: staged{place(t, at), stage}, DryRun: true, Where: redrive.Filter{Fields: []redrive.Field{{Path: "id", Value: "3"}}},
		})
		require.NoError(t, err)
		assert.EqualValues(t, 2, report.Seen)
		assert.EqualValues(t, 1, report.Matched)
	}
}

// staged is a box whose letters are all of a stage.
type staged struct {
	redrive.Box
	stage string
}

func (b staged) Bundles(ctx context.Context) iter.Seq2[redrive.Bundle, error] {
	return func(yield func(redrive.Bundle, error) bool) {
		for bundle, err := range b.Box.Bundles(ctx) {
			if !yield(stagedBundle{bundle, b.stage}, err) {
				return
			}
		}
	}
}

type stagedBundle struct {
	redrive.Bundle
	stage string
}

func (b stagedBundle) Letters(ctx context.Context) iter.Seq2[redrive.Letter, error] {
	return func(yield func(redrive.Letter, error) bool) {
		for l, err := range b.Bundle.Letters(ctx) {
			if l.Stage = b.stage; !yield(l, err) {
				return
			}
		}
	}
}

// A target that does not answer for each letter has broken its promise: nothing is
// removed that it may not have taken.
func TestATargetThatAnswersTooLittle(t *testing.T) {
	for name, answers := range map[string][]error{"none": nil, "one": {nil}, "too many": {nil, nil, nil, nil, nil}} {
		at := filepath.Join(t.TempDir(), "failed")
		put(t, at, "a", record("a", 1), record("a", 2), record("a", 3))
		report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: short{answers}})
		require.ErrorContains(t, err, "answers for", name)
		assert.Zero(t, report.Replayed, name)
		_, left := contents(t, at)
		assert.Equal(t, dataOf(1, 2, 3), left, name)
	}
}

// short is a target that answers the same to any batch.
type short struct{ answers []error }

func (short) Batch(context.Context) (letters, bytes int, err error) { return 10, 1 << 20, nil }
func (s short) Replay(context.Context, []redrive.Letter) []error    { return s.answers }

// A sink that names a message which was not in the batch may mean any: none of them was
// taken for certain, and none is removed.
func TestASinkThatNamesAnother(t *testing.T) {
	for _, failed := range []sink.EntryError{{Index: 7, Err: errRefused}, {Index: -1, Err: errRefused}, {Index: 0}} {
		at := filepath.Join(t.TempDir(), "failed")
		put(t, at, "a", record("a", 1))
		to, err := redrive.ToSink(wrong{memory.New(memory.Config{}), failed}, "")
		require.NoError(t, err)
		report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to})
		require.NoError(t, err)
		assert.EqualValues(t, 1, report.Refused)
		_, left := contents(t, at)
		assert.Equal(t, dataOf(1), left)
	}
}

// wrong is a sink that says of each batch that a message failed.
type wrong struct {
	*memory.Sink
	failed sink.EntryError
}

func (w wrong) Send(context.Context, []sink.Message) error {
	return &sink.BatchError{Failed: []sink.EntryError{w.failed}}
}

// What lies aside because it is broken would break the message that it is packed into:
// consumers never see it, and it stays where it is.
func TestNothingBrokenIsPacked(t *testing.T) {
	broken := []string{`{"id":`, "", "{\"id\":\"\xff\"}", `{"id":1}x`, "\"a\"]\n[1"}
	for as, fine := range map[redrive.Packing][]string{
		redrive.PackArray:  nil,
		redrive.PackLines:  {`{"id":`, "{\"id\":\"\xff\"}", `{"id":1}x`},
		redrive.PackSingle: {`{"id":`, "{\"id\":\"\xff\"}", `{"id":1}x`, "\"a\"]\n[1"},
	} {
		at := filepath.Join(t.TempDir(), "corrupt")
		for _, data := range broken {
			env := record("a", 1)
			env.Data = []byte(data)
			put(t, at, "a", env)
		}
		queue := memory.New(memory.Config{})
		to, err := redrive.ToSink(queue, as)
		require.NoError(t, err)
		report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to})
		require.NoError(t, err)
		var sent []string
		for _, m := range queue.Messages() {
			sent = append(sent, strings.TrimSuffix(string(m.Body), "\n"))
		}
		assert.ElementsMatch(t, fine, sent, as)
		assert.EqualValues(t, len(broken)-len(fine), report.Refused, as)
		_, left := contents(t, at)
		assert.Len(t, left, len(broken)-len(fine), as)
	}
}

// A destination that takes nothing any more does not hold up Run for good: what was to be
// kept could not be, so nothing is removed.
func TestADestinationThatHangs(t *testing.T) {
	var hangs atomic.Bool
	inMemory := mem.New()
	afs.GetRegistry().Register("hanging", func(...storage.Option) (storage.Manager, error) {
		return hanging{inMemory, &hangs}, nil
	})
	const at = "hanging://bucket/failed"
	var envs []destination.Envelope
	for n := range 4 {
		env := record("a", n)
		env.Data = fmt.Appendf(nil, "%q", strings.Repeat(strconv.Itoa(n), 700_000))
		envs = append(envs, env)
	}
	put(t, at, "a", envs...)
	hangs.Store(true)
	synctest.Test(t, func(t *testing.T) {
		_, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: &target{batch: 1}, Limit: 1})
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)
	})
	_, left := contents(t, at)
	assert.Len(t, left, 4)
}

// hanging is an afs manager whose uploads may never end by themselves.
type hanging struct {
	storage.Manager
	hangs *atomic.Bool
}

func (h hanging) Upload(ctx context.Context, url string, mode os.FileMode, r io.Reader, options ...storage.Option) error {
	if !h.hangs.Load() {
		return h.Manager.Upload(ctx, url, mode, r, options...)
	}
	<-ctx.Done()
	return ctx.Err()
}
