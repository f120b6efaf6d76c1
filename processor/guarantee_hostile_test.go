package processor_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/transform"
)

// Hostile objects spoil only themselves: the good records among and beside them
// arrive, each bad one is in the corruption destination with its bytes and its
// reason, and the run ends well.
func TestHostileObjects(t *testing.T) {
	noise := make([]byte, 300_000)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(noise)
	noise = bytes.ReplaceAll(noise, []byte("\n"), []byte("\x00")) // one broken "line"
	noise[0] = 0xfe
	for _, c := range []struct {
		name    string
		text    string
		good    []string
		corrupt []string // nil: one, of the whole text
	}{
		{name: "empty", text: "", corrupt: []string{}},
		{name: "blank", text: " \n\t\r\n", corrupt: []string{}},
		{name: "only a preamble", text: "// nothing\n# here\n", corrupt: []string{}},
		{name: "nested brackets", text: strings.Repeat("[", 100_000), corrupt: []string{strings.Repeat("[", 99_999)}},
		{name: "nested objects", text: strings.Repeat(`{"a":`, 100_000)},
		{name: "nested and closed", text: strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
			corrupt: []string{strings.Repeat("[", 19_999) + strings.Repeat("]", 19_999)}},
		{name: "truncated", text: `{"id":"good"}` + "\n" + `{"id":"bad","a":[1,2`, good: []string{"good"}, corrupt: []string{`{"id":"bad","a":[1,2`}},
		{name: "binary", text: string(noise)},
		{name: "bad utf-8", text: "{\"id\":\"bad\xff\"}\n{\"id\":\"good\"}\n", good: []string{"good"}, corrupt: []string{"{\"id\":\"bad\xff\"}"}},
		{name: "giant line", text: `{"id":"first"}` + "\n" + `{"id":"` + strings.Repeat("x", 2_000_000) + `"}` + "\n" + `{"id":"last"}`,
			good: []string{"first", "last"}, corrupt: []string{`{"id":"` + strings.Repeat("x", 2_000_000) + `"}`}},
		{name: "duplicate keys", text: `{"id":"first","id":"second"}`, good: []string{"second"}, corrupt: []string{}},
		{name: "broken in an array", text: `[{"id":"a"},{"id":"b",},{"id":"c"}]`, good: []string{"a", "c"}, corrupt: []string{`{"id":"b",}`}},
		{name: "names with spaces\nand newlines", text: `{"id":"named"}`, good: []string{"named"}, corrupt: []string{}},
		{name: "..%2f..", text: `{"id":"dots"`, corrupt: []string{`{"id":"dots"`}},
		{name: strings.Repeat("long/", 600), text: `{"id":"long"`, corrupt: []string{`{"id":"long"`}},
	} {
		t.Run(c.name[:min(20, len(c.name))], func(t *testing.T) {
			s := newSceneWith(t, sink.Limits{XMLChars: true})
			s.cfg.Split.MaxRecordBytes = 1 << 20
			s.cfg.Transform = transform.Chain(transform.StripPreamble{}, transform.Validate{})
			s.src.Put(c.name, []byte(c.text))
			s.put("neighbour", 10, 10)
			resp, err := s.run(t.Context())
			require.NoError(t, err)
			assert.Equal(t, processor.StatusOK, resp.Status)
			s.exactlyOnce()
			want := map[string]int{}
			for id := range s.loaded {
				want[id] = 1
			}
			for _, id := range c.good {
				want[id] = 1
			}
			assert.Equal(t, want, s.sent())
			corrupt := c.corrupt
			if corrupt == nil {
				corrupt = []string{c.text}
			}
			found := s.envelopes("corrupt")
			require.Len(t, found, len(corrupt))
			for i, e := range found {
				assert.Equal(t, c.name, e.Object)
				assert.True(t, corrupt[i] == string(e.Data), "%d bytes of %d", len(e.Data), len(corrupt[i])) //nolint:testifylint // Equal prints megabytes
				assert.Equal(t, "corrupt", e.Class)
				assert.NotEmpty(t, e.Reason)
			}
			resp, err = s.run(t.Context())
			require.NoError(t, err)
			assert.Zero(t, resp.Loaded, "a second run finds nothing to do")
		})
	}
}

// U+FFFE and U+FFFF are legal in JSON, and are escaped where the queue does not
// take them.
func TestHostileNoncharacters(t *testing.T) {
	for _, mode := range []processor.PackMode{processor.PackArray, processor.PackLines, processor.PackSingle} {
		s := newSceneWith(t, sink.Limits{XMLChars: true})
		s.cfg.Pack.Mode = mode
		s.src.Put("a", []byte("{\"id\":\"x\ufffe\uffff\",\"\uffff\":\"\U0001F600\"}"))
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, resp.Delivered)
		assert.Equal(t, map[string]int{"x\ufffe\uffff": 1}, s.sent())
		assert.Contains(t, string(s.out.Messages()[0].Body), `\ufffe\uffff`)
	}
}

// Objects over MaxObjectBytes are one corrupt record, whether the listing tells
// their size or not.
func TestHostileObjectOverItsLimit(t *testing.T) {
	s := newScene(t)
	s.cfg.MaxObjectBytes = 400_000
	s.put("fits", 1000, 100)
	big := strings.Repeat(`{"id":"no"}`+"\n", 50_000)
	s.src.Put("big", []byte(big))
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, resp.Status)
	s.exactlyOnce()
	found := s.envelopes("corrupt")
	require.Len(t, found, 1)
	assert.Equal(t, big, string(found[0].Data))
}

// A record that no message holds is corrupt, with its reason, and takes none of
// its neighbours along.
func TestHostileRecordOverTheMessage(t *testing.T) {
	s := newSceneWith(t, sink.Limits{MessageBytes: 10_000, BatchBytes: 10_000, BatchMessages: 10})
	s.put("a", 20, 100)
	s.put("wide", 3, 10_000)
	s.put("b", 20, 100)
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 3, resp.CorruptionErrors)
	assert.Equal(t, []string{"wide/0", "wide/1", "wide/2"}, s.ids("corrupt"))
	for i := range 3 {
		delete(s.loaded, fmt.Sprintf("wide/%d", i))
	}
	s.exactlyOnce()
}

// User code that panics with anything, or ends its goroutine, does not take the
// run along.
func TestHostileUserCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 30 {
			s.put(fmt.Sprint("o", i), 10, 100)
		}
		s.put("large", 5000, 100)
		s.cfg.Sink, s.cfg.Processor = nil, hostile{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.EqualValues(t, 30*2+2, resp.RetryErrors)
		assert.EqualValues(t, 300+5000-62, resp.Delivered)
		assert.Equal(t, processor.StatusOK, resp.Status)
	})
}

type hostile struct{}

func (hostile) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	switch {
	case bytes.Contains(data, []byte(`/3"`)) && !bytes.Contains(data, []byte(`33"`)):
		panic(error(nil))
	case bytes.Contains(data, []byte(`/5"`)):
		var p *int
		*p = 1
	}
	return nil
}

// A key that no claim store takes holds up nothing.
func TestHostileKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 1, 10)
		s.put("b", 1, 10)
		s.src.Put("", []byte(`{"id":"x"}`))
		s.put("c", 1, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
		defer cancel()
		began := time.Now()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.NotEmpty(t, resp.Errors)
		s.exactlyOnce()
		assert.Less(t, time.Since(began), 20*time.Second)
	})
}
