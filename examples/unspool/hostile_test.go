package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// hostile is a folder of everything that can be wrong with files.
type hostile struct {
	folder string
	good   []int64        // ids of the records that must arrive
	bad    map[string]int // corrupt records by file
	fffe   int64          // id of the record with U+FFFE
	nextID int64
}

func (h *hostile) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(h.folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// record returns a record that must arrive.
func (h *hostile) record(more string) string {
	h.nextID++
	h.good = append(h.good, h.nextID)
	return fmt.Sprintf(`{"id":%d%s}`, h.nextID, more)
}

// corrupt writes a file that holds one corrupt record and nothing good.
func (h *hostile) corrupt(t *testing.T, name, text string) {
	t.Helper()
	h.write(t, name, text)
	h.bad[name]++
}

const secret = "hunter2" // stands in payloads, and must not be told anywhere else

func newHostile(t *testing.T) *hostile {
	h := &hostile{folder: filepath.Join(t.TempDir(), "in"), bad: map[string]int{}}
	h.write(t, "empty.json", "")
	h.write(t, "only blank.json", " \r\n\t\n")
	h.write(t, "only a preamble.json", "// nothing here\n# nor here\n/* {\"id\": 1} */\n")
	h.corrupt(t, "truncated.json", `{"id":1,"text":"`+secret)
	h.corrupt(t, "truncated array.json", `[`)
	h.corrupt(t, "noise.bin", "{\x00\xff\xfe\x80"+secret+"\x1b[2J\x07")
	h.corrupt(t, "bad utf-8.json", "{\"id\":1,\"text\":\""+secret+"\xc3\x28\"}")
	h.corrupt(t, "unpaired.json", `{"id":1,"text":"`+secret+"\xed\xa0\x80\"}")
	h.corrupt(t, "nested open.json", strings.Repeat("[", 100_000))
	h.corrupt(t, "nested.json", `{"id":1,"a":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+"}")
	h.corrupt(t, "over 1 MiB.json", `{"id":1,"text":"`+strings.Repeat("x", 3<<19)+`"}`)
	h.write(t, "under 1 MiB.json", h.record(`,"text":"`+strings.Repeat("x", 1_000_000)+`"`))
	h.write(t, "u+fffe.json", h.record(",\"text\":\"\ufffe and \uffff\""))
	h.fffe = h.nextID
	h.write(t, "duplicate keys.json", h.record(`,"id":"second","id":null`))
	h.write(t, "broken in the middle.ndjson", h.record("")+"\n{\"id\":oops}\n"+h.record("")+"\n")
	h.bad["broken in the middle.ndjson"] = 1
	h.write(t, " name with spaces .json", h.record(""))
	h.write(t, "name with\nnewline.json", h.record(""))
	h.write(t, "two..dots/and..more...json", h.record(""))
	h.write(t, "percent%2e%2e%2fslash.json", h.record(""))
	h.write(t, `back\slash..\.json`, h.record(""))
	h.write(t, "-rf.json", h.record(""))
	h.write(t, "numbers-retry02.json", h.record("")) // as if it were a part of the retry destination
	h.write(t, strings.Repeat("n", 250)+".json", h.record(""))
	h.write(t, ".hidden.json", "{")
	h.write(t, "half.json.tmp", "{")
	h.longLine(t, "long line.json")
	return h
}

// longLine writes one line far over every limit.
func (h *hostile) longLine(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(filepath.Join(h.folder, name))
	require.NoError(t, err)
	out := bufio.NewWriterSize(file, 1<<20)
	_, err = out.WriteString(`{"id":1,"text":"` + secret)
	require.NoError(t, err)
	chunk := strings.Repeat("x", 1<<20)
	for range scale(20, 200) {
		_, err = out.WriteString(chunk)
		require.NoError(t, err)
	}
	_, err = out.WriteString(`"}`)
	require.NoError(t, err)
	require.NoError(t, out.Flush())
	require.NoError(t, file.Close())
	h.bad[name]++
}

// Show 4: the good records of a hostile folder arrive, each bad one is in the
// corruption destination with its reason, nothing else is, the run ends with an
// honest summary, and memory stays bounded.
func TestHostileFolder(t *testing.T) {
	waits(t)
	h := newHostile(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(h.folder, "fifo.json"), 0o644))

	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	s := spool{folder: h.folder, state: h.folder + ".unspool"}
	c := startChild(t, q.env(), s.args(q)...)
	require.Equal(t, exitOK, c.wait(), c.stderr.String())
	r := summaryOf(t, c.stdout.Bytes())
	t.Logf("%+v", r)

	q.requireAll(t, h.good, 1)
	assert.EqualValues(t, len(h.good), r.Delivered)
	assert.Equal(t, "\ufffe and \uffff", gjson.Get(q.got()[h.fffe].value, "text").String())
	corrupted := envelopes(t, s.state+"-corruption")
	assert.Equal(t, h.bad, byObject(corrupted))
	assert.EqualValues(t, len(corrupted), r.CorruptionErrors)
	for _, env := range corrupted {
		assert.NotEmpty(t, env.Reason, env.Object)
		assert.NotContains(t, env.Reason, secret)
		if original, err := os.ReadFile(filepath.Join(h.folder, env.Object)); assert.NoError(t, err) && env.Stage == "" {
			assert.True(t, bytes.Contains(original, env.Data), "%s: the data is that of the file", env.Object)
		}
	}
	assert.NotContains(t, c.stderr.String()+c.stdout.String(), secret)
	assert.Less(t, c.peakMemory(t), int64(mostMemory))
	t.Logf("peak memory %d MiB", c.peakMemory(t)>>20)

	// Nothing of it is tried again.
	c = startChild(t, q.env(), s.args(q)...)
	require.Equal(t, exitOK, c.wait(), c.stderr.String())
	assert.Zero(t, summaryOf(t, c.stdout.Bytes()).Loaded)
	q.requireAll(t, h.good, 1)
}

// Files that vanish after they were listed are counted, and hold up nobody.
func TestFilesVanish(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: scale(300, 1000), PerFolder: 100})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	go func() {
		<-q.arrived
		for n := 1; n < s.cfg.Files; n += 2 {
			_ = os.Remove(filepath.Join(s.folder, spooltest.Make(s.cfg, n).Name)) // what is not there is gone
		}
	}()
	code, out, errs := runHere(t, s.args(q, "--target-bytes", "2048", "--rate", scale("600", "2000"))...)
	require.Equal(t, exitOK, code, errs)
	r := summaryOf(t, []byte(out))
	got := q.got()
	for n := 0; n < s.cfg.Files; n += 2 {
		require.Equal(t, 1, got[s.want.Delivered[n]].times)
	}
	assert.EqualValues(t, len(got), r.Delivered)
	assert.Zero(t, r.RetryErrors+r.CorruptionErrors+r.FailedErrors)
	t.Logf("%d delivered, %d vanished", r.Delivered, r.Vanished)
}

// So are links that lead nowhere.
func TestDanglingLink(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 5})
	require.NoError(t, os.Symlink("gone.json", filepath.Join(s.folder, "dangling.json")))
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	code, out, errs := runHere(t, s.args(q, "--max-time", "10s")...)
	require.Equal(t, exitOK, code, errs)
	r := summaryOf(t, []byte(out))
	assert.EqualValues(t, 1, r.Vanished)
	q.requireAll(t, s.want.Delivered, 1)
}

// A file that may not be read costs attempts, holds up nobody, and ends in the
// failed destination, named.
func TestUnreadableFile(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: 20})
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "locked.json"), []byte(`{"id":1}`), 0o000))
	require.NoError(t, os.Symlink("loop.json", filepath.Join(s.folder, "loop.json")))
	outside := filepath.Join(t.TempDir(), "outside.json")
	require.NoError(t, os.WriteFile(outside, []byte(`{"id":1}`), 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(s.folder, "link to outside.json")))
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	drain := func() (int, processor.Response) {
		c := startUnprivileged(t, filepath.Dir(s.folder), q.env(), s.args(q, "--max-retries", "1")...)
		return c.wait(), summaryOf(t, c.stdout.Bytes())
	}
	code, r := drain() // the second try comes a second after the first
	assert.Equal(t, exitOK, code)
	q.requireAll(t, s.want.Delivered, 1)
	want := map[string]int{"locked.json": 1, "loop.json": 1, "link to outside.json": 1}
	for name := range want {
		assert.Contains(t, strings.Join(r.Errors, "\n"), name)
	}
	assert.EqualValues(t, len(want), r.FailedErrors)
	failed := envelopes(t, s.state+"-failed")
	assert.Equal(t, want, byObject(failed))
	for _, e := range failed {
		assert.Equal(t, 2, e.Attempt, e.Object)
		assert.NotContains(t, e.Reason, "claimed", "the reason is that of the last try")
	}
	code, _ = drain()
	assert.Equal(t, exitOK, code)
	q.requireAll(t, s.want.Delivered, 1)
}
