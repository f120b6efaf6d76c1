package benchtest

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

const (
	largest = 1 << 20   // bytes of a message that is discarded
	message = 256 << 10 // bytes of a message that is sent
)

// nowhere is a sink that takes everything, with the limits of SQS.
type nowhere struct{ bytes atomic.Int64 }

func (*nowhere) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{MessageBytes: largest, BatchBytes: largest, BatchMessages: 10, XMLChars: true}, nil
}

func (n *nowhere) Send(_ context.Context, batch []sink.Message) error {
	for i := range batch {
		n.bytes.Add(int64(len(batch[i].Body)))
	}
	return nil
}

// job is a run of unspool.
type job struct {
	folder string
	there  string // for what cannot be delivered
	claims claim.Claimer
	sink   sink.Sink
	format source.Format
	target int   // bytes of a message; 0 for as many as the sink takes
	memory int64 // MaxInFlightBytes; 0 for the default
}

// run drains the folder as users do.
func (j job) run(ctx context.Context) (*processor.Response, error) {
	src, err := dir.Open(j.folder, dir.Config{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	svc, err := processor.New(processor.Config{
		Source: src, Claimer: j.claims, Sink: j.sink,
		Transform: transform.Chain(transform.StripPreamble{}, transform.MustProject(fields...)),
		RetryURL:  j.there + "/retry", FailedURL: j.there + "/failed", CorruptionURL: j.there + "/corrupt",
		Split: source.Split{Format: j.format}, Concurrency: 2,
		Pack: processor.Pack{TargetBytes: j.target}, MaxInFlightBytes: j.memory,
	})
	if err != nil {
		return nil, err
	}
	rep, err := svc.Run(ctx)
	return rep.BaseResponse(), err
}

// do runs the job and makes sure that so many records were delivered.
func (j job) do(tb testing.TB, records int) {
	tb.Helper()
	j.there = tb.TempDir()
	r, err := j.run(tb.Context())
	require.NoError(tb, err)
	require.EqualValues(tb, records, r.Delivered)
}

// onDisk calls f with durable claims.
func onDisk(tb testing.TB, f func(claims claim.Claimer)) {
	tb.Helper()
	claims, err := disk.Open(filepath.Join(tb.TempDir(), "claims"), disk.Config{})
	require.NoError(tb, err)
	f(claims)
	require.NoError(tb, claims.Close())
}

// BenchmarkDrain drains a folder of small files: strip, validate, project, pack,
// discard, with claims in memory. read is the ceiling of two cores; the loops
// written by hand run on one goroutine or, where it says so, on 16.
func BenchmarkDrain(b *testing.B) {
	folder := makeFolder(b, *files)
	race(b, "file", *files,
		contestant{"read", func(tb testing.TB) { readFolder(tb, folder, *files) }},
		contestant{"unspool", func(tb testing.TB) {
			job{folder: folder, claims: memory.New(), sink: new(nowhere)}.do(tb, *files)
		}},
		contestant{"gjson", func(tb testing.TB) { byHandOne(tb, folder, largest, withGJSON) }},
		contestant{"gjson-16", func(tb testing.TB) { byHand(tb, folder, 16, largest, withGJSON, discard) }},
		contestant{"encodingjson", func(tb testing.TB) { byHandOne(tb, folder, largest, withMap) }},
		contestant{"encodingjson-16", func(tb testing.TB) { byHand(tb, folder, 16, largest, withMap, discard) }},
		contestant{"encodingjson-struct", func(tb testing.TB) { byHandOne(tb, folder, largest, withStruct) }},
	)
}

// BenchmarkDrainSQS drains the same folder with durable claims on disk into
// SQS, in messages of 256 KB, sent to a server in another process. The loops
// written by hand send with the SDK's client as it comes.
func BenchmarkDrainSQS(b *testing.B) {
	folder := makeFolder(b, *files)
	endpoint, queue := startServer(b)
	api := awssqs.NewFromConfig(awsConfig(endpoint))
	send := func(body []byte) error {
		_, err := api.SendMessage(b.Context(), &awssqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String(string(body))})
		return err
	}
	to, err := sqs.New(sqs.NewClient(awsConfig(endpoint), sqs.WithFastBody), queue, sqs.Config{})
	require.NoError(b, err)
	race(b, "file", *files,
		contestant{"read", func(tb testing.TB) { readFolder(tb, folder, *files) }},
		contestant{"unspool", func(tb testing.TB) {
			onDisk(tb, func(claims claim.Claimer) {
				job{folder: folder, claims: claims, sink: to, target: message}.do(tb, *files)
			})
		}},
		contestant{"gjson-16", func(tb testing.TB) { byHand(tb, folder, 16, message, withGJSON, send) }},
		contestant{"encodingjson-16", func(tb testing.TB) { byHand(tb, folder, 16, message, withMap, send) }},
	)
}

// BenchmarkDrainLarge takes six fields from each line of one large file on two
// workers. unspool is told that the file has a record a line; with auto it
// finds that out, as values may also go on over the end of a line.
func BenchmarkDrainLarge(b *testing.B) {
	for _, c := range []struct {
		name  string
		brief bool
	}{{"500B", true}, {"2400B", false}} {
		b.Run(c.name, func(b *testing.B) {
			folder := b.TempDir()
			name := filepath.Join(folder, "large.ndjson")
			records := writeLines(b, name, c.brief, *large<<20)
			race(b, "record", records,
				contestant{"read", func(tb testing.TB) { readLarge(tb, name) }},
				contestant{"unspool", func(tb testing.TB) {
					job{folder: folder, claims: memory.New(), sink: new(nowhere), format: source.FormatLines}.do(tb, records)
				}},
				contestant{"unspool-auto", func(tb testing.TB) {
					job{folder: folder, claims: memory.New(), sink: new(nowhere)}.do(tb, records)
				}},
				contestant{"gjson", func(tb testing.TB) { byHandLarge(tb, name, largest, withGJSON) }},
			)
		})
	}
}
