package emf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
)

// line is what CloudWatch makes of a line.
type line struct {
	AWS struct {
		Timestamp         *int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
	root    map[string]any
	metrics map[string]float64
	units   map[string]string
}

// The units that CloudWatch knows, from its JSON schema of the format.
var knownUnits = regexp.MustCompile(`^(Seconds|Microseconds|Milliseconds|Bytes|Percent|Count|None)$`)

// valid checks a line by the rules of the specification and of its JSON schema.
func valid(t *testing.T, text []byte) line {
	t.Helper()
	require.True(t, bytes.HasSuffix(text, []byte("\n")), "one line")
	require.Equal(t, 1, bytes.Count(text, []byte("\n")), "one line")
	require.LessOrEqual(t, len(text), 256<<10)
	l := line{metrics: map[string]float64{}, units: map[string]string{}}
	require.NoError(t, json.Unmarshal(text, &l))
	require.NoError(t, json.Unmarshal(text, &l.root))
	var plain struct {
		AWS map[string]json.RawMessage `json:"_aws"`
	}
	require.NoError(t, json.Unmarshal(text, &plain))
	require.Len(t, plain.AWS, 2, "no further members in the metadata")
	require.NotNil(t, l.AWS.Timestamp)
	require.Len(t, l.AWS.CloudWatchMetrics, 1)
	d := l.AWS.CloudWatchMetrics[0]
	require.NotEmpty(t, d.Namespace)
	require.LessOrEqual(t, len(d.Namespace), 255)
	require.NotEmpty(t, d.Dimensions, "at least one set, be it empty")
	for _, set := range d.Dimensions {
		require.LessOrEqual(t, len(set), 30)
		for _, name := range set {
			require.NotEmpty(t, name)
			require.LessOrEqual(t, len(name), 255)
			value, ok := l.root[name].(string)
			require.True(t, ok, "dimension %s is a text at the root", name)
			require.NotEmpty(t, value)
		}
	}
	require.NotEmpty(t, d.Metrics)
	require.LessOrEqual(t, len(d.Metrics), 100)
	for _, m := range d.Metrics {
		require.NotEmpty(t, m.Name)
		require.LessOrEqual(t, len(m.Name), 255)
		require.Regexp(t, knownUnits, m.Unit)
		value, ok := l.root[m.Name].(float64)
		require.True(t, ok, "metric %s is a number at the root", m.Name)
		require.NotContains(t, l.metrics, m.Name, "defined once")
		l.metrics[m.Name], l.units[m.Name] = value, m.Unit
	}
	return l
}

func newWriter(t *testing.T, cfg emf.Config) (*emf.Writer, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	w, err := emf.New(&out, cfg)
	require.NoError(t, err)
	return w, &out
}

func reporter(resp processor.Response) processor.Reporter {
	return &processor.BaseReporter{Response: &resp}
}

func TestEachFieldOfAResponseIsInItsMetric(t *testing.T) {
	w, out := newWriter(t, emf.Config{Function: "loader"})
	var resp processor.Response
	fields := reflect.ValueOf(&resp).Elem()
	for i := range fields.NumField() {
		if f := fields.Field(i); f.Kind() == reflect.Int64 {
			f.SetInt(int64(1000 + i))
		}
	}
	resp.Status, resp.Loaded, resp.CorruptionErrors = processor.StatusOK, 8, 2
	require.NoError(t, w.Run(reporter(resp)))
	l := valid(t, out.Bytes())
	for _, name := range []string{
		emf.RuntimeMs, emf.Loaded, emf.Delivered, emf.Dropped, emf.RetryErrors, emf.CorruptionErrors, emf.FailedErrors, emf.LoadTimeouts,
		emf.Objects, emf.Finished, emf.Held, emf.Released, emf.Vanished, emf.Lost, emf.Abandoned, emf.LagMs, emf.Messages, emf.Bytes,
	} {
		require.Contains(t, l.metrics, name)
		assert.InDelta(t, float64(fields.FieldByName(name).Int()), l.metrics[name], 0, name)
		delete(l.metrics, name)
	}
	assert.Equal(t, map[string]float64{emf.StatusError: 0, emf.CorruptRatio: 0.25}, l.metrics, "the others")
	assert.Equal(t, "Milliseconds", l.units[emf.LagMs])
	assert.Equal(t, "Bytes", l.units[emf.Bytes])
	assert.Equal(t, "None", l.units[emf.CorruptRatio])
	assert.Equal(t, "unspool", l.AWS.CloudWatchMetrics[0].Namespace)
	assert.Equal(t, [][]string{{"FunctionName"}}, l.AWS.CloudWatchMetrics[0].Dimensions)
	assert.Equal(t, "loader", l.root["FunctionName"])
	assert.Equal(t, "ok", l.root["Status"], "the line is the summary")
	assert.InDelta(t, float64(fields.FieldByName("Skipped").Int()), l.root["Skipped"], 0, "what is no metric is in the line as well")
}

// An alarm on a metric that a quiet run leaves out would never be in state OK.
func TestAQuietRunWritesEveryMetric(t *testing.T) {
	w, out := newWriter(t, emf.Config{})
	require.NoError(t, w.Run(processor.NewReporter()))
	l := valid(t, out.Bytes())
	assert.Len(t, l.metrics, 20)
	for name, value := range l.metrics {
		assert.Zero(t, value, name)
	}
	assert.Equal(t, [][]string{{}}, l.AWS.CloudWatchMetrics[0].Dimensions)
}

func TestAFailedRunIsCounted(t *testing.T) {
	w, out := newWriter(t, emf.Config{})
	require.NoError(t, w.Run(reporter(processor.Response{Status: processor.StatusError, Errors: []string{"no\nnewline"}})))
	l := valid(t, out.Bytes())
	assert.InDelta(t, 1, l.metrics[emf.StatusError], 0)
	out.Reset()
	require.NoError(t, w.Run(nil), "a call that never got under way has no report")
	assert.Empty(t, out.Bytes())
}

// mine is a reporter with members of its own.
type mine struct {
	processor.BaseReporter
	ByResponseCode map[int]int
	Received       int
	Unsettled      int
	AWS            string `json:"_aws"`
}

func TestAReporterOfTheUsersIsWrittenWhole(t *testing.T) {
	w, out := newWriter(t, emf.Config{Function: "push"})
	rep := &mine{BaseReporter: processor.BaseReporter{Response: &processor.Response{Loaded: 3}}, ByResponseCode: map[int]int{200: 3}, Received: 2, AWS: "mine"}
	require.NoError(t, w.Run(rep))
	l := valid(t, out.Bytes())
	assert.Equal(t, map[string]any{"200": 3.}, l.root["ByResponseCode"])
	assert.InDelta(t, 2, l.metrics[emf.Received], 0)
	assert.Contains(t, l.metrics, emf.Unsettled)
}

// odd is a reporter that marshals to anything.
type odd struct {
	processor.BaseReporter
	text string
	err  error
}

func (o odd) MarshalJSON() ([]byte, error) { return []byte(o.text), o.err }

func TestAReporterThatCannotBeWrittenCostsNoMetrics(t *testing.T) {
	for name, rep := range map[string]odd{
		"an error":  {err: errors.New("no")},
		"no object": {text: `[1]`},
		"null":      {text: `null`},
		"no JSON":   {text: `{`},
		"too long":  {text: `{"long":"` + strings.Repeat("x", 300<<10) + `"}`},
	} {
		w, out := newWriter(t, emf.Config{})
		rep.BaseReporter = processor.BaseReporter{Response: &processor.Response{Loaded: 3}}
		require.Error(t, w.Run(&rep), name)
		assert.InDelta(t, 3, valid(t, out.Bytes()).metrics[emf.Loaded], 0, name)
	}
}

// Where a member of a metric's name is no number, CloudWatch would refuse the line.
func TestAMemberThatIsNoNumberIsNoMetric(t *testing.T) {
	w, out := newWriter(t, emf.Config{})
	require.NoError(t, w.Run(&odd{BaseReporter: processor.BaseReporter{Response: &processor.Response{}}, text: `{"Loaded":"3","Held":null,"Failed":true,"Lost":-1e2}`}))
	l := valid(t, out.Bytes())
	assert.Equal(t, map[string]float64{emf.Lost: -100, emf.StatusError: 0, emf.CorruptRatio: 0}, l.metrics)
}

func TestAChecksMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWriter(t, emf.Config{Function: "checker"})
		require.NoError(t, w.Check(processor.CheckReport{
			Status: processor.StatusOK, RuntimeMs: 1, Expired: 2, Released: 3, Failed: 4, Held: 5, Finished: 6, Lost: 7,
			Oldest: time.Now().Add(-90 * time.Second),
			Counts: claim.Counts{Processing: 8, Expired: 9, Waiting: 10, Finished: 11},
		}))
		assert.Equal(t, map[string]float64{
			emf.StatusError: 0, emf.RuntimeMs: 1, emf.Expired: 2, emf.Released: 3, emf.Failed: 4, emf.Held: 5, emf.Finished: 6, emf.Lost: 7,
			emf.OverdueMs: 90_000, emf.Processing: 8, emf.Stuck: 9, emf.Waiting: 10, emf.Completed: 11,
		}, valid(t, out.Bytes()).metrics)
	})
}

func TestAnArchiversMetrics(t *testing.T) {
	w, out := newWriter(t, emf.Config{Function: "archiver"})
	require.NoError(t, w.Archive(processor.ArchiveReport{
		Status: processor.StatusError, RuntimeMs: 1, Objects: 2, Unfinished: 3, Archived: 4, Bytes: 5, Vanished: 6, Changed: 7, Collided: 8, Failed: 9, Forgotten: 10,
	}))
	assert.Equal(t, map[string]float64{
		emf.StatusError: 1, emf.RuntimeMs: 1, emf.Objects: 2, emf.Unfinished: 3, emf.Archived: 4, emf.Bytes: 5, emf.Vanished: 6,
		emf.Changed: 7, emf.Collided: 8, emf.Failed: 9, emf.Forgotten: 10,
	}, valid(t, out.Bytes()).metrics)
}

func TestTheTimeIsNowInMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWriter(t, emf.Config{})
		// That of an event may be older than CloudWatch takes.
		require.NoError(t, w.Run(reporter(processor.Response{StartTime: time.Now().AddDate(0, -1, 0)})))
		assert.Equal(t, time.Now().UnixMilli(), *valid(t, out.Bytes()).AWS.Timestamp)
	})
}

func TestOnlySomeMetrics(t *testing.T) {
	w, out := newWriter(t, emf.Config{Only: []string{emf.LagMs, emf.FailedErrors}})
	require.NoError(t, w.Run(reporter(processor.Response{Loaded: 3})))
	l := valid(t, out.Bytes())
	assert.Equal(t, map[string]float64{emf.LagMs: 0, emf.FailedErrors: 0}, l.metrics)
	assert.InDelta(t, 3, l.root["Loaded"], 0)
}

func TestEveryMistakeIsReported(t *testing.T) {
	many := make([]emf.Dimension, 31)
	for i := range many {
		many[i] = emf.Dimension{Name: strings.Repeat("d", i+1), Value: "v"}
	}
	_, err := emf.New(&bytes.Buffer{}, emf.Config{Namespace: "AWS/Lambda", Only: []string{"Sold"}, Dimensions: append(many,
		emf.Dimension{Name: "d", Value: "again"}, emf.Dimension{Name: "Loaded", Value: "v"}, emf.Dimension{Name: "_aws", Value: "v"}, emf.Dimension{Name: ":x", Value: "v"},
		emf.Dimension{Name: "empty"}, emf.Dimension{Name: "long", Value: strings.Repeat("v", 1025)}, emf.Dimension{Name: "ünicode", Value: "v"})})
	require.Error(t, err)
	for _, part := range []string{"Config.Namespace", "are more than 30", `"d" is taken`, `"Loaded" is taken`, `"_aws" is taken`, `":x"`, "empty", "long", "ünicode", `"Sold"`} {
		assert.ErrorContains(t, err, part)
	}
}

func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	w, out := newWriter(t, emf.Config{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { assert.NoError(t, w.Run(reporter(processor.Response{Loaded: 1}))) })
	}
	wg.Wait()
	for l := range bytes.Lines(out.Bytes()) {
		valid(t, l)
	}
	assert.Equal(t, 8, bytes.Count(out.Bytes(), []byte("\n")))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestALineThatCannotBeWrittenIsAnError(t *testing.T) {
	w, err := emf.New(full{}, emf.Config{})
	require.NoError(t, err)
	require.ErrorContains(t, w.Run(processor.NewReporter()), "full")
}
