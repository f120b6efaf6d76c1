package processor_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// decoding has the scene's source decoded.
func (s *scene) decoding(inner source.Source) {
	s.t.Helper()
	var err error
	s.cfg.Source, err = decompress.New(inner, decompress.Config{})
	require.NoError(s.t, err)
}

// gzipped is data compressed, in members of about 100 kB.
func gzipped(data string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	for first := true; first || data != ""; first = false {
		member := data[:min(len(data), 100_000)]
		data = data[len(member):]
		w.Reset(&b)
		_, _ = io.WriteString(w, member) // into memory
		_ = w.Close()
	}
	return b.Bytes()
}

// readable is what can be decoded of data: the decoder does not see the last few
// symbols of an object that is cut off.
func readable(data []byte) string {
	r, err := gzip.NewReader(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return ""
	}
	got, _ := io.ReadAll(r)
	return string(got)
}

// isWhole reports whether data is no defect.
func isWhole(data []byte) bool {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	return err == nil
}

// records makes n records, each in a line.
func records(n, size int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":"r/%d","pad":"%x"}`+"\n", i, strings.Repeat(fmt.Sprint(i*7919), 1+size/4))
	}
	return b.String()
}

// complete are the ids of the records in the whole lines of text, and rest is
// what follows them.
func complete(text string) (ids []string, rest string) {
	end := strings.LastIndexByte(text, '\n') + 1
	for line := range strings.SplitSeq(text[:end], "\n") {
		if line != "" {
			ids = append(ids, gjson.Get(line, "id").String())
		}
	}
	return ids, text[end:]
}

// settledOnce checks that what could be read of the one object was delivered
// once, and that the rest is one corrupt record.
func (s *scene) settledOnce(stored []byte) {
	s.t.Helper()
	ids, rest := complete(readable(stored))
	sent := s.sent()
	require.Len(s.t, sent, len(ids))
	for _, id := range ids {
		require.Equal(s.t, 1, sent[id], id)
	}
	bad := s.envelopes("corrupt")
	require.Equal(s.t, 1, len(bad), "what cannot be read is one corrupt record") //nolint:testifylint // Len prints it
	s.isRest(bad[0], rest)
	assert.Empty(s.t, s.envelopes("retry"))
	assert.Empty(s.t, s.envelopes("failed"))
}

// isRest checks the corrupt record that a defect leaves.
func (s *scene) isRest(bad destination.Envelope, rest string) {
	s.t.Helper()
	assert.Contains(s.t, bad.Reason, "gzip: ", "it says why")
	assert.Equal(s.t, "corrupt", bad.Class)
	if rest != "" {
		assert.Empty(s.t, bad.Stage)
		assert.Equal(s.t, rest, string(bad.Data))
		return
	}
	assert.Equal(s.t, "ticket", bad.Stage, "there is nothing of it")
}

// Wherever an object is cut off: what was complete before is delivered, the rest
// is one corrupt record, the object is finished, and every decoded byte is
// accounted for. It is the same whether it is small or large, and however it is
// read and packed.
func TestDefectTruncatedObject(t *testing.T) {
	for name, c := range map[string]struct {
		records, size int
		format        source.Format
		perObject     bool
		small         bool
	}{
		"small":                  {20, 40, source.FormatAuto, false, true},
		"small lines":            {20, 40, source.FormatLines, false, true},
		"no small reader":        {20, 40, source.FormatAuto, false, false},
		"small, per object":      {20, 40, source.FormatAuto, true, true},
		"large":                  {1000, 400, source.FormatAuto, false, true},
		"large lines":            {1000, 400, source.FormatLines, false, true},
		"large, per object":      {1000, 400, source.FormatAuto, true, true},
		"long lines":             {6, 150_000, source.FormatLines, false, true},
		"long, per object":       {6, 150_000, source.FormatAuto, true, true},
		"large lines per object": {1000, 400, source.FormatLines, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			whole := gzipped(records(c.records, c.size))
			cuts := []int{1, 5, 8, 9, 12, len(whole) / 2, len(whole) - 1, len(whole)}
			n := sized(20, 3)
			if testtool.Brief() && c.records > 20 {
				cuts = []int{1, 9}
			}
			for i := range n {
				cuts = append(cuts, 2+i*(len(whole)-2)/n)
			}
			for _, cut := range cuts {
				stored := whole[:len(whole)-cut]
				if isWhole(stored) {
					continue // between two members
				}
				s := newScene(t)
				s.inMemory()
				s.cfg.Split.Format = c.format
				s.cfg.Pack.PerObject = c.perObject
				s.cfg.Pack.TargetBytes = 10_000
				s.src.Put("a.json.gz", stored)
				s.decoding(s.src)
				if c.small {
					m := &sourcetest.Memory{}
					m.Put("a.json.gz", stored)
					s.decoding(m)
				}
				resp, err := s.run(t.Context())
				require.NoError(t, err)
				assert.Equal(t, processor.StatusOK, resp.Status)
				assert.EqualValues(t, 1, resp.Finished)
				assert.EqualValues(t, 1, resp.CorruptionErrors)
				assert.Zero(t, resp.Returned)
				assert.EqualValues(t, len(readable(stored)), resp.ReadBytes)
				assert.NotEmpty(t, resp.Errors)
				s.settledOnce(stored)

				resp, err = s.run(t.Context())
				require.NoError(t, err)
				assert.Zero(t, resp.Loaded, "it is finished")
			}
		})
	}
}

// A long record that is complete when the defect comes is delivered, though the
// splitter would rather wait for much more than came since it looked at it.
func TestDefectSoonAfterALongRecord(t *testing.T) {
	for _, format := range []source.Format{source.FormatAuto, source.FormatLines} {
		text := records(6, 150_000)
		stored := append(gzipped(text[:400_000]), 0x1f) // half of a member's header
		s := newScene(t)
		s.cfg.Split.Format = format
		s.src.Put("a.json.gz", stored)
		s.decoding(s.src)
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2, resp.Delivered)
		ids, rest := complete(text[:400_000])
		require.Len(t, ids, 2)
		require.Len(t, s.envelopes("corrupt"), 1)
		s.isRest(s.envelopes("corrupt")[0], rest)
	}
}

// Of an array the elements before the defect are delivered; and what is not
// closed is not lost.
func TestDefectTruncatedArray(t *testing.T) {
	text := "[" + strings.ReplaceAll(strings.TrimSuffix(records(sized(3000, 1000), 100), "\n"), "\n", ",\n") + "]"
	whole := gzipped(text)
	for _, cut := range []int{1, 9, len(whole) / 2, len(whole) - 100} {
		s := newScene(t)
		stored := whole[:len(whole)-cut]
		s.src.Put("a.json.gz", stored)
		s.decoding(s.src)
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		got := readable(stored)
		end := strings.LastIndexByte(got, '}') + 1
		assert.EqualValues(t, strings.Count(got[:end], `"id"`), resp.Delivered)
		bad := s.envelopes("corrupt")
		require.Len(t, bad, 1)
		s.isRest(bad[0], strings.TrimSpace(strings.TrimPrefix(strings.TrimSuffix(got[end:], "]"), ",")))
	}
}

// A record that is broken and of which the defect hides the end is one corrupt
// record, and what the defect hides besides is another.
func TestDefectInALongBrokenRecord(t *testing.T) {
	text := records(10, 10) + `{"id":"broken","text":"` + strings.Repeat("never closed ", sized(200_000, 80_000))
	whole := gzipped(text)
	stored := whole[:len(whole)-3]
	s := newScene(t)
	s.cfg.Split.MaxRecordBytes = 50_000
	s.src.Put("a.json.gz", stored)
	s.decoding(s.src)
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 10, resp.Delivered)
	assert.EqualValues(t, 2, resp.CorruptionErrors)
	assert.EqualValues(t, 1, resp.Finished)
	assert.EqualValues(t, len(text), resp.ReadBytes)
	var all string
	bad := s.envelopes("corrupt")
	slices.SortFunc(bad, func(a, b destination.Envelope) int { return int(a.Offset - b.Offset) })
	for _, e := range bad {
		if e.Stage == "" {
			all += string(e.Data)
		}
	}
	assert.Equal(t, strings.TrimSpace(strings.TrimPrefix(text, records(10, 10))), strings.TrimSpace(all))
}

// What a pass has settled of a defect, or of an object over the limit, the next one
// over the same object does not settle again.
func TestDefectIsSettledOnce(t *testing.T) {
	good := records(sized(3000, 900), 300)
	broken := gzipped(good + `{"id":"broken","text":"` + strings.Repeat("never closed ", sized(200_000, 40_000)))
	whole := gzipped(good)
	for name, c := range map[string]struct {
		stored    []byte
		limit     int64
		corrupted int
	}{
		"in a broken record": {broken[:len(broken)-3], 0, 2},
		"beyond the limit":   {whole[:len(whole)-3], int64(len(good) / 2), 1},
		"over the limit":     {whole, int64(len(good) / 2), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSceneWith(t, sink.Limits{BatchMessages: 1})
				s.cfg.Split.MaxRecordBytes, s.cfg.Pack.TargetBytes, s.cfg.MaxObjectBytes = 50_000, 20_000, c.limit
				s.src.Put("a.json.gz", c.stored)
				s.decoding(s.src)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.hook = func(ctx context.Context, batch []sink.Message) error {
					if !slices.Contains(processortest.IDs(batch[0].Body), "r/0") {
						return nil
					}
					for ctx.Err() == nil && len(s.envelopes("corrupt")) < c.corrupted {
						time.Sleep(time.Millisecond)
					}
					cancel()
					return fault.Interrupted(errors.New("away"))
				}
				resp, err := s.run(ctx)
				require.NoError(t, err)
				assert.EqualValues(t, c.corrupted, resp.CorruptionErrors)
				assert.Zero(t, resp.Finished)
				s.hook = nil
				s.drained(t.Context())
				assert.Equal(t, c.corrupted, len(s.envelopes("corrupt"))) //nolint:testifylint // Len prints them
				for id, n := range s.sent() {
					require.Equal(t, 1, n, id)
				}
			})
		})
	}
}

// An object over the limit that is damaged beyond it is one corrupt record.
func TestDefectBeyondTheLimit(t *testing.T) {
	text := records(sized(5000, 3000), 100)
	whole := gzipped(text)
	s := newScene(t)
	s.cfg.MaxObjectBytes = 400_000
	s.src.Put("a.json.gz", whole[:len(whole)-3])
	s.decoding(s.src)
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, resp.CorruptionErrors)
	assert.EqualValues(t, 1, resp.Finished)
	assert.EqualValues(t, len(text), resp.ReadBytes)
	assert.Contains(t, strings.Join(resp.Errors, "\n"), "limit")
	assert.Contains(t, strings.Join(resp.Errors, "\n"), "unexpected EOF")
}

// A bomb is broken off where it gets too long, and takes nothing with it.
func TestDefectBomb(t *testing.T) {
	bomb := append(gzipped(records(10, 10)), bytes.Repeat(gzipped(strings.Repeat(" ", 100_000)), 1000)...)
	s := newScene(t)
	s.src.Put("bomb.json.gz", bomb)
	s.src.Put("good.json.gz", gzipped(`{"id":"good"}`))
	s.decoding(s.src)
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 11, resp.Delivered)
	assert.EqualValues(t, 1, resp.CorruptionErrors)
	assert.EqualValues(t, 2, resp.Finished)
	assert.Less(t, resp.ReadBytes, int64(80<<20))
	assert.Contains(t, s.envelopes("corrupt")[0].Reason, "more than 200 times as long")
}

// A transport that is cut in the middle of a compressed object is no defect: it
// is read on later, nothing is lost and nothing comes twice.
func TestDefectNoneWhereTheTransportIsCut(t *testing.T) {
	for _, format := range []source.Format{source.FormatAuto, source.FormatLines} {
		for _, perObject := range []bool{false, true} {
			t.Run(fmt.Sprint(format, perObject), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t)
					s.cfg.Split.Format, s.cfg.Pack.PerObject, s.cfg.Pack.TargetBytes = format, perObject, 5000
					stored := gzipped(records(sized(6000, 1500), 300))
					s.src.Put("a.json.gz", stored)
					s.decoding(s.src)
					var opens atomic.Int64
					s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
						opened := opens.Add(1)
						if opened > 9 {
							return processortest.ReadFault{}
						}
						return processortest.ReadFault{Cut: fault.Interrupted(errors.New("connection reset")), After: int64(len(stored)) * opened / 10}
					}
					s.drained(t.Context())
					assert.Empty(t, s.envelopes("corrupt"))
					ids, _ := complete(readable(stored))
					sent := s.sent()
					assert.Len(t, sent, len(ids))
					for id, n := range sent {
						require.Equal(t, 1, n, id)
					}
					assert.GreaterOrEqual(t, opens.Load(), int64(10))
				})
			})
		}
	}
}

// A run that is stopped before it comes to the defect leaves it to the next, and
// one that has settled the defect already does not settle it again.
func TestDefectOnResume(t *testing.T) {
	for _, c := range []struct{ before, perObject bool }{{true, false}, {true, true}, {false, false}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				whole := gzipped(records(sized(6000, 2000), 300))
				stored := whole[:len(whole)-5000]
				s := newSceneWith(t, sink.Limits{BatchMessages: 1})
				s.cfg.Pack.PerObject, s.cfg.Pack.TargetBytes = c.perObject, 20_000
				s.cfg.Split.Format = source.FormatLines
				s.src.Put("a.json.gz", stored)
				s.decoding(s.src)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.hook = func(ctx context.Context, batch []sink.Message) error {
					first := slices.Contains(processortest.IDs(batch[0].Body), "r/0")
					switch {
					case !c.before && first: // holds up this one until the defect is settled
						for ctx.Err() == nil && len(s.envelopes("corrupt")) == 0 {
							time.Sleep(time.Millisecond)
						}
						cancel()
						return fault.Interrupted(errors.New("away"))
					case c.before && len(s.out.Messages()) == 20:
						cancel()
					}
					return nil
				}
				resp, err := s.run(ctx)
				require.NoError(t, err)
				assert.Equal(t, processor.StatusStopped, resp.Status)
				assert.Zero(t, resp.Finished)
				s.hook = nil
				s.drained(t.Context())
				s.settledOnce(stored)
			})
		})
	}
}

// Where the corruption destination is away the object is given back, and what
// was delivered of it is not delivered again.
func TestDefectThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := gzipped(records(6000, 300))
		stored := whole[:len(whole)-5000]
		s := newScene(t)
		s.src.Put("a.json.gz", stored)
		s.decoding(s.src)
		good := s.cfg.CorruptionURL
		s.cfg.CorruptionURL = s.dir + "/a\x00b" // which no file system takes
		if _, err := processor.New(s.cfg); err != nil {
			s.cfg.CorruptionURL = "/dev/null/corrupt"
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		resp, _ := s.run(ctx)
		assert.Zero(t, resp.Finished)
		assert.Positive(t, resp.Delivered)
		s.cfg.CorruptionURL = good
		s.drained(t.Context())
		s.settledOnce(stored)
	})
}

// A stream that is pushed may be damaged as well, and so may an object of which a
// ticket names the rest.
func TestDefectInWhatIsPushed(t *testing.T) {
	whole := gzipped(records(sized(15_000, 4000), 100))
	stored := whole[:len(whole)-5000]
	t.Run("object", func(t *testing.T) {
		s := newScene(t)
		s.src.Put("a.json.gz", stored)
		s.decoding(s.src)
		resp, err := s.do(t.Context(), "a.json.gz", true)
		require.NoError(t, err)
		assert.EqualValues(t, 1, resp.CorruptionErrors)
		s.settledOnce(stored)
	})
	t.Run("ticket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSceneWith(t, sink.Limits{BatchMessages: 10})
			s.cfg.Pack.TargetBytes = 1000
			s.src.Put("a.json.gz", stored)
			s.decoding(s.src)
			s.cfg.Transform = slowly(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := s.do(ctx, "a.json.gz", true)
			require.NoError(t, err)
			s.ticketIsWorkedOff(stored)
		})
	})
}

// A ticket whose object cannot be opened, or not be read to its end, by its own
// fault or by nobody's stays a ticket for what is left.
func TestATicketStaysATicket(t *testing.T) {
	for name, failure := range map[string]error{
		"interrupted": fault.Interrupted(errors.New("connection reset")),
		"failed":      errors.New("status 500"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				whole := gzipped(records(sized(15_000, 4000), 100))
				stored := whole[:len(whole)-5000]
				s := newSceneWith(t, sink.Limits{BatchMessages: 10})
				s.cfg.Pack.TargetBytes = 1000
				s.src.Put("a.json.gz", stored)
				s.decoding(s.src)
				s.cfg.Transform = slowly(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := s.do(ctx, "a.json.gz", true)
				require.NoError(t, err)
				var opens atomic.Int64
				s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
					switch opened := opens.Add(1); opened {
					case 1:
						return processortest.ReadFault{Open: failure}
					case 2, 3, 4:
						return processortest.ReadFault{Cut: failure, After: int64(len(stored)) * opened / 6}
					}
					return processortest.ReadFault{}
				}
				s.ticketIsWorkedOff(stored)
				assert.Greater(t, opens.Load(), int64(4))
			})
		})
	}
}

// ticketIsWorkedOff drains the retry destination, and checks that the object is
// settled.
func (s *scene) ticketIsWorkedOff(stored []byte) {
	s.t.Helper()
	tickets := 0
	for _, e := range s.envelopes("retry") {
		if e.Stage == "ticket" {
			tickets++
		}
	}
	require.Equal(s.t, 1, tickets)
	s.cfg.Transform = slowly(0)
	s.decoding(s.withoutObjects())
	time.Sleep(time.Minute)
	s.drained(s.t.Context())
	s.settledOnce(stored)
}

// Progress in the decoded stream means nothing in the stored one: a run that does
// not decode begins again.
func TestProgressIsOfTheDecodedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := records(6000, 300)
		stored := gzipped(text)
		s := newScene(t)
		s.src.Put("a.json.gz", stored)
		s.decoding(s.src)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.hook = func(context.Context, []sink.Message) error {
			if len(s.out.Messages()) >= 3 {
				cancel()
			}
			return nil
		}
		s.cfg.Pack.TargetBytes = 10_000
		_, err := s.run(ctx)
		require.NoError(t, err)
		s.hook = nil
		s.cfg.Source = s.src
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, len(stored), resp.ReadBytes, "all of what is stored is read, and is no JSON")
	})
}
