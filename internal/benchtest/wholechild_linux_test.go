package benchtest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
)

const (
	// wholeEnv says what a child is to pass through: form, last stage and size.
	wholeEnv = "UNSPOOL_BENCH_WHOLE"
	line     = `{"id":123456789,"text":"rain over the empty queue, again and again","user":{"screen_name":"worker","followers_count":17}}`
)

// wholeChild passes one generated object through instead of running tests.
func wholeChild() error {
	var form, stage string
	var size int64
	if _, err := fmt.Sscan(os.Getenv(wholeEnv), &form, &stage, &size); err != nil {
		return err
	}
	there := os.Getenv(stateEnv)
	cfg := processor.Config{
		Source: generated{form, size}, Claimer: memory.New(), Split: source.Split{Format: source.FormatAuto},
		RetryURL: there + "/retry", FailedURL: there + "/failed", CorruptionURL: there + "/corrupt",
	}
	if form == "lines" {
		cfg.Split.Format = source.FormatLines
	}
	if form == "gzip" {
		var err error
		if cfg.Source, err = decompress.New(cfg.Source, decompress.Config{MaxRatio: 10_000}); err != nil {
			return err
		}
	}
	switch stage {
	case "sink":
		cfg.Sink = new(nowhere)
		cfg.Pack.TargetBytes = message
	case "batches":
		cfg.BatchSize = 1000
		fallthrough
	default:
		cfg.Processor = processor.BatchFunc(func(context.Context, []source.Record, processor.Reporter) error { return nil })
	}
	svc, err := processor.New(cfg)
	if err != nil {
		return err
	}
	key := "object.json"
	if form == "gzip" {
		key += ".gz"
	}
	rep, err := svc.Do(context.Background(), &processor.Request{Object: &source.Object{Key: key, Size: -1}})
	if err != nil {
		return err
	}
	return report(rep.BaseResponse())
}

// generated is a source of objects that are made as they are read.
type generated struct {
	form string
	size int64 // of what is decoded
}

func (generated) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(func(source.Object, error) bool) {}
}

func (g generated) Open(_ context.Context, o source.Object, off, _ int64) (io.ReadCloser, source.Object, error) {
	if off > 0 {
		return nil, o, source.ErrNoRange
	}
	o.Version = "1"
	body := &repeated{unit: line + "\n", left: g.size}
	switch g.form {
	case "array":
		body.first, body.unit, body.last = "["+line, ",\n"+line, "]"
	case "long":
		body.unit = `{"text":"` + strings.Repeat("long ", 3<<20) + "\"}\n"
	case "gzip":
		r, w := io.Pipe()
		go func() {
			packed := gzip.NewWriter(w)
			_, err := io.Copy(packed, body)
			w.CloseWithError(errors.Join(err, packed.Close()))
		}()
		return r, o, nil
	}
	return io.NopCloser(body), o, nil
}

// repeated reads the first text, a unit again and again until that makes size
// bytes, and the last text.
type repeated struct {
	first, unit, last string
	rest              string // of the text that is being read
	left              int64
	begun, ended      bool
}

func (r *repeated) Read(p []byte) (int, error) {
	for r.rest == "" {
		switch {
		case !r.begun:
			r.begun, r.rest = true, r.first
		case r.left > 0:
			r.rest = r.unit
			r.left -= int64(len(r.unit))
		case !r.ended:
			r.ended, r.rest = true, r.last
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
