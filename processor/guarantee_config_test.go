package processor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
)

var wholeConfig = processor.Config{
	Split:          source.Split{Format: "lines", Records: "statuses", MaxRecordBytes: 1 << 20, MaxPreambleBytes: 100, MaxDepth: 20},
	MaxObjectBytes: 1 << 30, ReplaceInvalidUTF8: true,
	Pack:     processor.Pack{Mode: "lines", TargetBytes: 1000, PerObject: true, FrameBytes: 5000, Linger: 500 * time.Millisecond, Group: "g"},
	RecordID: "_id", RetryURL: "r", FailedURL: "f", CorruptionURL: "c", DestinationURL: "d",
	MaxRetries: 3, RetryDelay: 2 * time.Second, Concurrency: 4, Senders: 5, MaxInFlightBytes: 1 << 28,
	Rate:              processor.Rate{Records: 10, Bytes: 20.5, Calls: 30},
	DeadlineReduction: 5 * time.Second, MaxExecTime: 9 * time.Minute, Lease: 30 * time.Second, SendTimeout: 3 * time.Second,
	MaxUnconfirmed: processor.Unconfirmed{Bytes: 1000, Interval: time.Second},
	BatchSize:      100, MaxBatchBytes: 1 << 20, OnDone: processor.OnDoneMove, OnDoneURL: "o",
	PollInterval: time.Minute, ClaimBlock: 16, ClaimVersion: true, Owner: "me", Fingerprint: "v2",
}

func TestConfigFromYAML(t *testing.T) {
	cfg, err := processor.LoadConfig(strings.NewReader(`
split: {format: lines, records: statuses, maxRecordBytes: 1048576, maxPreambleBytes: 100, maxDepth: 20}
maxObjectBytes: 1073741824
replaceInvalidUTF8: true
pack: {mode: lines, targetBytes: 1000, perObject: true, frameBytes: 5000, linger: 500ms, group: g}
recordID: _id
retryURL: r
failedURL: f
corruptionURL: c
destinationURL: d
maxRetries: 3
retryDelay: 2s
concurrency: 4
senders: 5
maxInFlightBytes: 268435456
rate: {records: 10, bytes: 20.5, calls: 30}
deadlineReduction: 5s
maxExecTime: 9m
lease: 30s
sendTimeout: 3s
maxUnconfirmed: {bytes: 1000, interval: 1s}
onDone: move
onDoneURL: o
batchSize: 100
maxBatchBytes: 1048576
pollInterval: 1m
claimBlock: 16
claimVersion: true
owner: me
fingerprint: v2
`))
	require.NoError(t, err)
	assert.Equal(t, wholeConfig, cfg)
}

func TestConfigFromJSON(t *testing.T) {
	cfg, err := processor.LoadConfig(strings.NewReader(`{
	"split": {"format": "lines", "records": "statuses", "maxRecordBytes": 1048576, "maxPreambleBytes": 100, "maxDepth": 20},
	"maxObjectBytes": 1073741824, "replaceInvalidUTF8": true,
	"pack": {"mode": "lines", "targetBytes": 1000, "perObject": true, "frameBytes": 5000, "linger": "500ms", "group": "g"},
	"recordID": "_id", "retryURL": "r", "failedURL": "f", "corruptionURL": "c", "destinationURL": "d",
	"maxRetries": 3, "retryDelay": "2s", "concurrency": 4, "senders": 5, "maxInFlightBytes": 268435456,
	"rate": {"records": 10, "bytes": 20.5, "calls": 30},
	"deadlineReduction": "5s", "maxExecTime": "9m", "lease": "30s", "sendTimeout": "3s",
	"maxUnconfirmed": {"bytes": 1000, "interval": "1s"},
	"onDone": "move", "onDoneURL": "o", "batchSize": 100, "maxBatchBytes": 1048576,
	"pollInterval": "1m", "claimBlock": 16, "claimVersion": true, "owner": "me", "fingerprint": "v2"
}`))
	require.NoError(t, err)
	assert.Equal(t, wholeConfig, cfg)
}

func TestConfigMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"concurency: 3":                  "concurency",
		"lease: 5 parsecs":               "5 parsecs",
		"pack: {mode: lines, target: 3}": "target",
		"concurrency: many":              "many",
		"{":                              "parse configuration",
	} {
		_, err := processor.LoadConfig(strings.NewReader(text))
		assert.ErrorContains(t, err, want, text)
	}
	for _, text := range []string{"", "{}", "# nothing\n"} {
		cfg, err := processor.LoadConfig(strings.NewReader(text))
		require.NoError(t, err)
		assert.Equal(t, processor.Config{}, cfg)
	}
}

func TestConfigIsOneDocument(t *testing.T) {
	_, err := processor.LoadConfig(strings.NewReader("concurrency: 1\n---\nsenders: 2"))
	assert.Error(t, err)
}
