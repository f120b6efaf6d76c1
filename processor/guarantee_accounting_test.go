package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// verdict is what the transform of the accounting test does with a record, told
// by the record itself.
func verdict(_ context.Context, rec source.Record, out *transform.Output) error {
	switch do := gjson.GetBytes(rec.Data, "do").String(); do {
	case "drop":
	case "corrupt":
		return processor.NewDataCorruption("told to")
	case "retry":
		return errors.New("told to")
	case "panic":
		panic("told to")
	case "empty":
		out.End()
	case "partial":
		out.Emit(rec.Data)
		return processor.NewPartialRetry("told to", []byte(`{"id":"rest of `+gjson.GetBytes(rec.Data, "id").String()+`"}`))
	case "two":
		out.Emit(rec.Data)
		out.Emit([]byte(`{"id":"second of ` + gjson.GetBytes(rec.Data, "id").String() + `"}`))
	default:
		out.Emit(rec.Data)
	}
	return nil
}

// fates are what must become of a record with each verdict.
var fates = map[string]string{
	"": "sent", "two": "sent", "drop": "dropped", "corrupt": "corrupt", "empty": "corrupt",
	"retry": "retry", "panic": "retry", "partial": "retry",
}

// Every record gets exactly one fate, whatever the objects, the way they are
// read, the packing and the number of workers, and every byte is accounted for.
func TestAccountingLaw(t *testing.T) {
	verdicts := []string{"", "", "", "", "drop", "corrupt", "retry", "panic", "partial", "two", "empty"}
	rapid.Check(t, func(rt *rapid.T) {
		s := newSceneWith(t, sink.Limits{
			BatchMessages: rapid.SampledFrom([]int{0, 1, 10}).Draw(rt, "messages"),
			XMLChars:      rapid.Bool().Draw(rt, "xml"),
		})
		s.inMemory()
		s.cfg.RetryDelay = time.Hour // what goes to retry stays there
		s.cfg.Concurrency = rapid.IntRange(1, 4).Draw(rt, "workers")
		s.cfg.Pack.Mode = rapid.SampledFrom([]processor.PackMode{processor.PackArray, processor.PackLines, processor.PackSingle}).Draw(rt, "mode")
		s.cfg.Pack.TargetBytes = rapid.IntRange(10, 5000).Draw(rt, "target")
		s.cfg.Pack.PerObject = rapid.Bool().Draw(rt, "perObject")
		s.cfg.Transform = transform.Func(verdict)
		chunk := rapid.SampledFrom([]int{0, 1 << 10, 100_000}).Draw(rt, "chunk")
		s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
			return processortest.ReadFault{Chunk: chunk}
		}
		want := map[string][]string{}
		var bytes int64
		for i := range rapid.IntRange(1, 6).Draw(rt, "objects") {
			text, ids := accountingObject(rt, fmt.Sprint("o", i), verdicts)
			s.src.Put(fmt.Sprint("o", i), text)
			bytes += int64(len(text))
			for fate, list := range ids {
				want[fate] = append(want[fate], list...)
			}
		}
		resp, err := s.run(t.Context())
		require.NoError(rt, err)
		assert.Equal(rt, processor.StatusOK, resp.Status)
		assert.EqualValues(rt, len(want["sent"]), resp.Delivered, "delivered")
		assert.EqualValues(rt, len(want["dropped"]), resp.Dropped, "dropped")
		assert.EqualValues(rt, len(want["retry"]), resp.RetryErrors, "retried")
		assert.EqualValues(rt, len(want["corrupt"]), resp.CorruptionErrors, "corrupted")
		assert.Zero(rt, resp.FailedErrors)
		assert.Zero(rt, resp.Returned)
		assert.Equal(rt, bytes, resp.ReadBytes, "every byte is read once")
		assert.ElementsMatch(rt, want["corrupt ids"], s.ids("corrupt"))
		assert.ElementsMatch(rt, want["retry ids"], s.ids("retry"))
		sent := s.sent()
		for _, id := range want["sent ids"] {
			assert.Equal(rt, 1, sent[id], "%s is sent once", id)
			delete(sent, id)
		}
		assert.Empty(rt, sent, "nothing else is sent")
	})
}

// accountingObject makes an object of JSON in one of the forms that there are,
// and says what must become of what is in it.
func accountingObject(rt *rapid.T, key string, verdicts []string) ([]byte, map[string][]string) {
	want := map[string][]string{}
	var values []string
	for i := range rapid.IntRange(0, 30).Draw(rt, "records") {
		id := fmt.Sprintf("%s/%d", key, i)
		do := rapid.SampledFrom(verdicts).Draw(rt, "do")
		pad := strings.Repeat("é", rapid.SampledFrom([]int{0, 0, 0, 0, 0, 10, 10, 10, 1000, 60_000}).Draw(rt, "pad"))
		values = append(values, fmt.Sprintf(`{"id":%q,"do":%q,"pad":"%s"}`, id, do, pad))
		fate := fates[do]
		want[fate] = append(want[fate], id)
		switch do {
		case "partial":
			want["sent ids"] = append(want["sent ids"], id)
			want["retry ids"] = append(want["retry ids"], "rest of "+id)
		case "two":
			want["sent ids"] = append(want["sent ids"], id, "second of "+id)
		default:
			want[fate+" ids"] = append(want[fate+" ids"], id)
		}
	}
	switch rapid.IntRange(0, 3).Draw(rt, "form") {
	case 0:
		return []byte(strings.Join(values, "\n")), want
	case 1:
		return []byte(strings.Join(values, " ")), want
	case 2:
		return []byte("[" + strings.Join(values, ",\n") + "]\n"), want
	}
	for i := range values { // broken lines in between
		if i%5 == 4 {
			values[i] = fmt.Sprintf("%s\n{\"id\":\"broken\",,}", values[i])
			want["corrupt"] = append(want["corrupt"], "broken")
			want["corrupt ids"] = append(want["corrupt ids"], "broken")
		}
	}
	return []byte(strings.Join(values, "\n") + "\n"), want
}

// A record with several outputs has one fate: it is delivered only if all its
// outputs are.
func TestAccountingOfSeveralOutputs(t *testing.T) {
	s := newSceneWith(t, sink.Limits{BatchMessages: 10})
	s.cfg.Pack.Mode = processor.PackSingle
	s.put("a", 1, 10)
	s.cfg.Transform = transform.Func(func(_ context.Context, _ source.Record, out *transform.Output) error {
		for i := range 30 {
			fmt.Fprintf(out, `{"id":"out/%d"}`, i)
			out.End()
		}
		return nil
	})
	s.hook = func(_ context.Context, batch []sink.Message) error {
		e := &sink.BatchError{}
		for i, m := range batch {
			if strings.Contains(string(m.Body), "/17") {
				e.Failed = append(e.Failed, sink.EntryError{Index: i, Err: fault.Corrupt(errors.New("poison"))})
			}
		}
		if len(e.Failed) == 0 {
			return nil
		}
		return e
	}
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, resp.Loaded)
	assert.EqualValues(t, 1, resp.FailedErrors)
	assert.Len(t, s.sent(), 29)
	require.Len(t, s.envelopes("failed"), 1)
	assert.Equal(t, 17, s.envelopes("failed")[0].Index)
}

// What a sink that needs a flush has accepted is delivered only when it was
// flushed: if that fails everything since the last flush is sent again.
func TestAccountingOfFlush(t *testing.T) {
	for _, failAt := range []int64{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) { flushFailing(t, failAt) })
	}
}

func flushFailing(t *testing.T, failAt int64) {
	s := newSceneWith(t, sink.Limits{BatchMessages: 10, NeedsFlush: true})
	s.cfg.Pack.TargetBytes = 1000
	s.cfg.MaxUnconfirmed.Bytes = 200_000
	for i := range 50 {
		s.put(fmt.Sprint("small", i), 20, 50)
	}
	s.put("large", sized(20_000, 8000), 50)
	s.hook = func(context.Context, []sink.Message) error { time.Sleep(100 * time.Millisecond); return nil }
	s.cfg.Sink = &flushFails{scene: s, at: failAt}
	resp, err := s.run(t.Context())
	require.Error(t, err)
	assert.Equal(t, processor.StatusError, resp.Status)
	s.cfg.Sink = s.out
	time.Sleep(time.Minute)
	resp, err = s.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, resp.Status)
	s.nothingLost()
}

// flushFails loses everything at one flush.
type flushFails struct {
	*scene
	at    int64
	calls atomic.Int64
}

func (f *flushFails) Limits(ctx context.Context) (sink.Limits, error) { return f.out.Limits(ctx) }
func (f *flushFails) Send(ctx context.Context, b []sink.Message) error {
	return f.out.Send(ctx, b)
}

func (f *flushFails) Flush(ctx context.Context) error {
	if f.calls.Add(1) > f.at {
		f.out.Crash()
		return errors.New("disk full")
	}
	return f.out.Flush(ctx)
}

// Nothing but the end of an object looks like it: a reader that ends early, one
// that fails in the middle, an object that changes or vanishes leave the claim
// to another pass, and the source untouched.
func TestAccountingOfObjectsThatDoNotEnd(t *testing.T) {
	for name, f := range map[string]processortest.ReadFault{
		"interrupted": {Cut: errAway, After: 1500},
		"changed":     {Cut: fmt.Errorf("read: %w", source.ErrChanged), After: 1500},
		"own fault":   {Cut: errors.New("input/output error"), After: 1500},
		"not opened":  {Open: errors.New("permission denied")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.cfg.RetryDelay = 1 // so that the second run may go on at once
			s.put("a", 20, 100)
			s.put("b", 20, 100)
			s.src.OnOpen = func(_ context.Context, o source.Object, _ int64) processortest.ReadFault {
				if o.Key == "a" {
					return f
				}
				return processortest.ReadFault{}
			}
			resp, err := s.run(t.Context())
			require.NoError(t, err)
			assert.Equal(t, processor.StatusStopped, resp.Status)
			assert.EqualValues(t, 1, resp.Finished)
			assert.Positive(t, resp.Released)
			assert.Zero(t, resp.CorruptionErrors)
			s.src.OnOpen = nil
			resp, err = s.run(t.Context())
			require.NoError(t, err)
			assert.Equal(t, processor.StatusOK, resp.Status)
			s.exactlyOnce()
		})
	}
	t.Run("vanished", func(t *testing.T) {
		s := newScene(t)
		s.put("a", 20, 100)
		s.put("b", 20, 100)
		s.src.OnList = func(_ context.Context, i int) error {
			if i == 1 {
				s.src.Remove("a")
			}
			return nil
		}
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		assert.EqualValues(t, 1, resp.Vanished)
		assert.EqualValues(t, 1, resp.Finished)
	})
}
