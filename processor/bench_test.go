package processor_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// discard is a sink that takes everything, with the limits of SQS.
type discard struct{ bytes, records atomic.Int64 }

func (d *discard) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{MessageBytes: 1 << 20, BatchBytes: 1 << 20, BatchMessages: 10, XMLChars: true}, nil
}

func (d *discard) Send(_ context.Context, batch []sink.Message) error {
	for _, m := range batch {
		d.bytes.Add(int64(len(m.Body)))
		d.records.Add(int64(m.Records))
	}
	return nil
}

const (
	benchFiles = 20_000
	benchText  = "// written by feed 7 [see {docs}]\n// 2026-11-22\n"
)

var benchPaths = []string{"id", "created=created_at", "text", "user=user.screen_name", "followers=user.followers_count", "tags=entities.hashtags.#.text"}

// tweet is about 2.4 KB of JSON with the fields of benchPaths.
func tweet(i int) string {
	user := map[string]any{"id": i * 7, "screen_name": "user" + strconv.Itoa(i), "followers_count": i % 1000, "description": "a \"quoted\" life — ünïcode, and so on", "profile": map[string]any{"image": "https://example.com/p/" + strconv.Itoa(i) + ".png", "colors": []string{"fff", "000", "c0ffee"}}}
	meta := map[string]any{}
	for j := range 40 {
		meta["field_"+strconv.Itoa(j)] = "value number " + strconv.Itoa(i*j)
	}
	doc, _ := json.Marshal(map[string]any{"id": i, "created_at": "Wed Oct 10 20:19:24 +0000 2018", "text": "a short message about nothing much, number " + strconv.Itoa(i), "user": user, "metadata": meta, "entities": map[string]any{"hashtags": []any{map[string]any{"text": "go", "indices": []int{1, 3}}, map[string]any{"text": "queue", "indices": []int{5, 9}}}}, "zz": []float64{1.5, 2e10, -3}})
	return string(doc)
}

func benchFolder(b *testing.B) string {
	folder := b.TempDir()
	for i := range benchFiles {
		name := filepath.Join(folder, strconv.Itoa(1_700_000_000_000+i)+".json")
		require.NoError(b, os.WriteFile(name, []byte(benchText+tweet(i)+"\n"), 0o600))
	}
	return folder
}

// BenchmarkDrain compares the whole pipeline, into a sink that discards, with
// merely reading the files and with what people write by hand.
func BenchmarkDrain(b *testing.B) {
	folder := benchFolder(b)
	perFile := func(b *testing.B, run func()) {
		b.ReportAllocs()
		for b.Loop() {
			run()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchFiles), "ns/file")
	}
	b.Run("read", func(b *testing.B) {
		perFile(b, func() { readOnly(b, folder) })
	})
	b.Run("unspool", func(b *testing.B) {
		perFile(b, func() {
			src, err := dir.Open(folder, dir.Config{})
			require.NoError(b, err)
			defer src.Close()
			drain(b, src, memory.New())
		})
	})
	b.Run("gjson", func(b *testing.B) {
		perFile(b, func() { naive(b, folder, projectGJSON) })
	})
	b.Run("encodingjson", func(b *testing.B) {
		perFile(b, func() { naive(b, folder, projectStd) })
	})
}

func drain(b *testing.B, src *dir.Source, claims claim.Claimer) {
	b.Helper()
	out := new(discard)
	there := b.TempDir()
	svc, err := processor.New(processor.Config{
		Source: src, Claimer: claims, Sink: out,
		Transform: transform.Chain(transform.StripPreamble{}, transform.MustProject(benchPaths...)),
		RetryURL:  there + "/retry", FailedURL: there + "/failed", CorruptionURL: there + "/corrupt",
	})
	require.NoError(b, err)
	rep, err := svc.Run(b.Context())
	require.NoError(b, err)
	require.EqualValues(b, benchFiles, rep.BaseResponse().Delivered)
}

// readOnly lists, opens and reads every file, on two goroutines.
func readOnly(b *testing.B, folder string) {
	src, err := dir.Open(folder, dir.Config{})
	require.NoError(b, err)
	defer src.Close()
	names := make(chan []string, 4)
	done := make(chan struct{})
	for range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			buf := make([]byte, 0, 64<<10)
			for block := range names {
				for _, key := range block {
					f, err := os.Open(filepath.Join(folder, key))
					if err != nil {
						b.Error(err)
						return
					}
					n, _ := io.ReadFull(f, buf[:cap(buf)])
					_ = f.Close()
					_ = n
				}
			}
		}()
	}
	var block []string
	for o, err := range src.Objects(b.Context()) {
		require.NoError(b, err)
		if block = append(block, o.Key); len(block) == 64 {
			names <- block
			block = nil
		}
	}
	names <- block
	close(names)
	<-done
	<-done
}

func naive(b *testing.B, folder string, project func([]byte) []byte) {
	entries, err := os.ReadDir(folder)
	require.NoError(b, err)
	var body []byte
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		require.NoError(b, err)
		for len(data) > 0 && data[0] == '/' {
			for i, c := range data {
				if c == '\n' {
					data = data[i+1:]
					break
				}
			}
		}
		out := project(data)
		if len(body)+len(out)+2 > 1<<20 {
			body = body[:0]
		}
		body = append(append(body, ','), out...)
	}
}

func projectGJSON(data []byte) []byte {
	if !gjson.ValidBytes(data) {
		return nil
	}
	res := gjson.GetManyBytes(data, "id", "created_at", "text", "user.screen_name", "user.followers_count", "entities.hashtags.#.text")
	out := make([]byte, 0, 512)
	for i, name := range []string{"id", "created", "text", "user", "followers", "tags"} {
		out = append(out, ',', '"')
		out = append(append(append(out, name...), '"', ':'), res[i].Raw...)
	}
	out[0] = '{'
	return append(out, '}')
}

func projectStd(data []byte) []byte {
	var doc map[string]any
	if json.Unmarshal(data, &doc) != nil {
		return nil
	}
	user, _ := doc["user"].(map[string]any)
	out, _ := json.Marshal(map[string]any{"id": doc["id"], "created": doc["created_at"], "text": doc["text"], "user": user["screen_name"], "followers": user["followers_count"], "tags": doc["entities"]})
	return out
}
