package processor_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/unspool-go/unspool/processor"
)

// The names that dashboards and alarms of others count on.
func TestDefectResponseKeepsItsFieldNames(t *testing.T) {
	full := processor.Response{
		Status: "ok", Errors: []string{"e"}, SourceURL: "s", DestinationURL: "d", RetryURL: "r", FailedURL: "f", CorruptionURL: "c",
	}
	body, err := json.Marshal(full)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(body, &fields))
	for _, name := range []string{
		"Status", "Errors", "StartTime", "RuntimeMs", "SourceURL", "DestinationURL", "RetryURL", "FailedURL", "CorruptionURL",
		"Loaded", "Processed", "ProcessingErrors", "RetryErrors", "CorruptionErrors", "LoadTimeouts", "Batched", "Skipped",
	} {
		assert.Contains(t, fields, name)
	}
	for _, name := range []string{"Loaded", "Processed", "ProcessingErrors", "RetryErrors", "CorruptionErrors"} {
		assert.InDelta(t, 0, fields[name], 0, "%s is there when it is zero", name)
	}
	body, err = json.Marshal(processor.Response{})
	require.NoError(t, err)
	for _, name := range []string{"Errors", "SourceURL", "DestinationURL", "RetryURL", "FailedURL", "CorruptionURL"} {
		assert.NotContains(t, string(body), `"`+name+`"`, "left out where there is none")
	}
}

type codeReporter struct {
	processor.BaseReporter
	ByCode map[int]int
}

// A reporter that embeds BaseReporter is one flat object.
func TestDefectEmbeddingTheReporterFlattens(t *testing.T) {
	p := newPush(t, t.TempDir(), accept)
	p.cfg.NewReporter = func() processor.Reporter {
		r := &codeReporter{ByCode: map[int]int{200: 3}}
		r.Response = &processor.Response{}
		return r
	}
	svc, err := processor.New(p.cfg)
	require.NoError(t, err)
	rep, err := svc.Do(t.Context(), processor.NewRequest(text(numbered(3)), nil, "data/numbers.txt"))
	require.NoError(t, err)
	body, err := json.Marshal(rep)
	require.NoError(t, err)
	var fields struct {
		Status  string
		Loaded  int
		ByCode  map[int]int
		Nothing any `json:"Response"`
	}
	require.NoError(t, json.Unmarshal(body, &fields))
	assert.Equal(t, "ok", fields.Status)
	assert.Equal(t, 3, fields.Loaded)
	assert.Equal(t, map[int]int{200: 3}, fields.ByCode)
	assert.Nil(t, fields.Nothing)
}

// A reporter that was not put together properly is an error, not a crash.
func TestDefectReporterWithoutResponse(t *testing.T) {
	for name, reporter := range map[string]func() processor.Reporter{
		"nil":         func() processor.Reporter { return nil },
		"no response": func() processor.Reporter { return &codeReporter{} },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPush(t, t.TempDir(), accept)
			p.cfg.NewReporter = reporter
			svc, err := processor.New(p.cfg)
			if err != nil {
				assert.ErrorContains(t, err, "NewReporter")
				return
			}
			_, err = svc.Do(t.Context(), processor.NewRequest(text(numbered(3)), nil, "data/numbers.txt"))
			assert.ErrorContains(t, err, "NewReporter")
		})
	}
}

// Every field that is no part set in code has a key of its own in a
// configuration file, and comes back from it: none is forgotten when a field is
// added.
func TestDefectConfigHasAKeyForEachPlainField(t *testing.T) {
	var want processor.Config
	n := fill(t, reflect.ValueOf(&want).Elem(), 1)
	assert.Greater(t, n, 30, "fields")
	document, err := yaml.Marshal(want)
	require.NoError(t, err)
	got, err := processor.LoadConfig(strings.NewReader(string(document)))
	require.NoError(t, err)
	assert.Equal(t, want, got)

	var tree map[string]any // durations are texts in YAML, and so in JSON
	require.NoError(t, yaml.Unmarshal(document, &tree))
	asJSON, err := json.Marshal(tree)
	require.NoError(t, err)
	got, err = processor.LoadConfig(strings.NewReader(string(asJSON)))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Contains(t, string(asJSON), `"lease":"`)
}

// fill sets every plain field to a value of its own, and returns the next one.
func fill(t *testing.T, v reflect.Value, n int) int {
	for i := range v.NumField() {
		field, f := v.Type().Field(i), v.Field(i)
		key := field.Tag.Get("yaml")
		if key == "-" {
			kinds := []reflect.Kind{reflect.Interface, reflect.Func, reflect.Pointer}
			assert.True(t, slices.Contains(kinds, f.Kind()), "%s could stand in a file", field.Name)
			continue
		}
		assert.NotEmpty(t, key, "%s has no key", field.Name)
		switch {
		case f.Kind() == reflect.Struct:
			n = fill(t, f, n)
		case f.Type() == reflect.TypeFor[time.Duration]():
			f.SetInt(int64(n) * int64(time.Second))
		case f.CanInt():
			f.SetInt(int64(n))
		case f.CanFloat():
			f.SetFloat(float64(n) + 0.5)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.String:
			f.SetString("text " + string(rune('a'+n%26)))
		default:
			t.Errorf("%s: no value for a %s", field.Name, f.Type())
		}
		n++
	}
	return n
}

func TestDefectConfigRefusesUnknownKeys(t *testing.T) {
	for _, document := range []string{
		"retryUrl: x", "source: x", "sink: {}", "pack: {targetbytes: 3}", `{"Lease": "5s"}`, "deadlineReductionMs: 100",
	} {
		_, err := processor.LoadConfig(strings.NewReader(document))
		assert.Error(t, err, document)
	}
	for _, document := range []string{"lease: 5s", `{"lease": "5s"}`, `{"lease":"5s"}`, "lease: 5000ms"} {
		cfg, err := processor.LoadConfig(strings.NewReader(document))
		require.NoError(t, err, document)
		assert.Equal(t, 5*time.Second, cfg.Lease)
	}
	for _, document := range []string{"lease: 5", `{"lease": 5}`, "lease: 5000000000", "lease: -", "[1]", "x"} {
		_, err := processor.LoadConfig(strings.NewReader(document))
		assert.Error(t, err, "%s: a duration without a unit may mean anything", document)
	}
}
