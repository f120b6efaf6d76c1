package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

var response = processor.Response{
	Status: processor.StatusOK, RuntimeMs: 1534, Loaded: 100_003, Processed: 100_000, Delivered: 99_990, Dropped: 10,
	CorruptionErrors: 3, CorruptionURL: "/data/in.unspool-corruption", Objects: 100_000, Finished: 100_000, Skipped: 7,
	Messages: 213, Batched: 213, Bytes: 223_000_000, Errors: []string{"record at offset 9: invalid UTF-8"},
}

func TestSummaryText(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeSummary(&out, "text", response))
	assert.Equal(t, `status     ok after 1.53s
objects    100,000 finished, 7 done before
records    100,003 loaded: 99,990 delivered, 10 dropped, 3 corrupt
messages   213 in 213 calls, 212.7 MiB
corruption /data/in.unspool-corruption
error      record at offset 9: invalid UTF-8
`, out.String())
}

func TestSummaryJSONIsTheResponseOnOneLine(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeSummary(&out, "json", response))
	assert.Equal(t, 1, strings.Count(out.String(), "\n"))
	var back processor.Response
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	assert.Equal(t, response, back)
}

func TestDigits(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -999: "-999", -1000: "-1,000", 1234567: "1,234,567"} {
		assert.Equal(t, want, digits(n))
	}
}

func TestProgressLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := progress{now: time.Now, deadline: time.Now().Add(time.Minute)}
		start := time.Now()
		time.Sleep(2 * time.Second)
		assert.Equal(t, "1,000 objects, 3,000 records, 5 messages, 1,500/s, 58s left",
			p.Line(processor.Response{StartTime: start, Finished: 1000, Loaded: 3000, Messages: 5}))
		time.Sleep(time.Second)
		assert.Equal(t, "1,500 objects, 5,000 records, 9 messages, 2,000/s, 2 corrupt, 1 retried, 57s left",
			p.Line(processor.Response{StartTime: start, Finished: 1500, Loaded: 5000, Messages: 9, CorruptionErrors: 2, RetryErrors: 1}))
		p.deadline = time.Time{}
		time.Sleep(time.Second)
		assert.Equal(t, "1,500 objects, 5,000 records, 9 messages, 0/s",
			p.Line(processor.Response{StartTime: start, Finished: 1500, Loaded: 5000, Messages: 9}))
	})
}

func TestStatusLine(t *testing.T) {
	var out bytes.Buffer
	s := newStatusLine(&out)
	s.Show("never seen")
	s.Done()
	assert.Empty(t, out.String(), "not a terminal")

	s.width = func() int { return 10 }
	s.Show("12345678901234")
	assert.Equal(t, "\r\x1b[K123456789", out.String(), "cut to the width")
	out.Reset()
	n, err := s.Write([]byte("a log line\n"))
	require.NoError(t, err)
	assert.Equal(t, 11, n)
	assert.Equal(t, "\r\x1b[Ka log line\n123456789", out.String(), "the log goes above it")
	out.Reset()
	s.Done()
	s.Done()
	assert.Equal(t, "\r\x1b[K", out.String())
}

func TestLocalPath(t *testing.T) {
	wd, err := os.Getwd()
	require.NoError(t, err)
	for in, want := range map[string]string{
		"a/../b": filepath.Join(wd, "b"), "/a b": "/a b", "file:///a%20b/": "/a%20b", "file://localhost/x": "/x",
	} {
		got, ok, err := localPath(in)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	_, ok, err := localPath("s3://b/p")
	assert.False(t, ok)
	require.NoError(t, err)
	_, _, err = localPath("file://host/x")
	require.ErrorContains(t, err, "file:///path")
}

// What is written must not be taken for input, nor hidden among it, whatever
// symbolic links say.
func TestOverlaps(t *testing.T) {
	root := t.TempDir()
	in := filepath.Join(root, "in")
	require.NoError(t, os.Mkdir(in, 0o755))
	require.NoError(t, os.Symlink(in, filepath.Join(root, "link")))
	at := func(option, path string) folder { return folder{option, filepath.Join(root, path)} }
	for _, c := range []struct {
		a, b folder
		bad  bool
	}{
		{at("source", "in"), at("claims", "in.unspool"), false},
		{at("source", "in"), at("claims", "in/claims"), true},
		{at("source", "in"), at("claims", "in/not/yet/there"), true},
		{at("source", "in"), at("retry", "in"), true},
		{at("source", "in"), at("retry", "link/retry"), true},
		{at("source", "in"), at("retry", "."), true},
		{at("source", "in"), at("retry", "..in"), false},
		{at("source", "link"), at("sink", "in/out"), true},
		{at("retry", "r"), at("failed", "r/failed"), true},
		{at("failed", "f"), at("corruption", "f"), false},
	} {
		errs := overlaps([]folder{c.a, c.b})
		assert.Equal(t, c.bad, len(errs) == 1, "%v %v: %v", c.a, c.b, errs)
	}
}
