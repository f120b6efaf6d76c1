package setup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/setup"
)

// settings are those of an environment, given in pairs, and of a file.
func settings(file string, pairs ...string) *setup.Settings {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return setup.New(func(name string) (string, bool) { v, ok := values[name]; return v, ok }, strings.NewReader(file))
}

func TestSettings(t *testing.T) {
	s := settings("# a comment\nSOURCE: /mnt/feeds\nQUEUE: feeds\nAFTER: 90s\nFORGET: 0s\nDELETE: true\nASIDE:\nWINDOW: 7\n",
		"SOURCE", "s3://bucket/in", "GRACE", "2m", "QUEUE", "")
	assert.Equal(t, "s3://bucket/in", s.Need("SOURCE"), "the environment wins")
	assert.Equal(t, "feeds", s.Need("QUEUE"), "an empty variable is none")
	assert.Empty(t, s.Get("ASIDE"))
	assert.Equal(t, 90*time.Second, s.Duration("AFTER", time.Hour))
	assert.Equal(t, 2*time.Minute, s.Duration("GRACE", time.Hour))
	assert.Zero(t, s.Duration("FORGET", time.Hour))
	assert.Equal(t, 7, s.Number("WINDOW"))
	assert.Zero(t, s.Number("DELAY"))
	assert.True(t, s.Flag("DELETE"))
	assert.False(t, s.Flag("ARCHIVE"))
	require.NoError(t, s.Err())
}

// What is wrong is told all at once, each with the name of the setting.
func TestSettingsThatAreWrong(t *testing.T) {
	s := settings("SOURCE: a\nSORCE: b\nSOURCE: c\nSELECT: [id]\n", "AFTER", "soon", "FORGET", "-1h", "DELETE", "yes", "PROCESSOR", "fast", "WINDOW", "-1", "LATE", "five")
	s.Need("QUEUE")
	s.Duration("AFTER", 0)
	s.Duration("FORGET", 0)
	s.Flag("DELETE")
	s.Number("WINDOW")
	s.Number("LATE")
	s.Processor()
	require.EqualError(t, s.Err(), strings.Join([]string{
		"unspool.yaml: line 2: SORCE: no function has such a setting",
		"unspool.yaml: line 3: SOURCE: is there twice",
		"unspool.yaml: line 4: SELECT: needs one value",
		"QUEUE: not set",
		`AFTER: "soon" is no duration such as 24h`,
		`FORGET: "-1h" is no duration such as 24h`,
		`DELETE: "yes" is neither true nor false`,
		`WINDOW: "-1" is no number such as 5`,
		`LATE: "five" is no number such as 5`,
		"PROCESSOR: is no mapping such as {concurrency: 8}",
	}, "\n"))
}

func TestSettingsOfNoFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}"} {
		require.NoError(t, settings(text).Err(), text)
	}
	for _, text := range []string{"- a\n", "a: [\n", "just words"} {
		require.ErrorContains(t, settings(text).Err(), "unspool.yaml: ", text)
	}
}

// Members of PROCESSOR in the environment win over those of the file.
func TestProcessor(t *testing.T) {
	const file = "PROCESSOR:\n  concurrency: 8\n  lease: 30s\n  pack: {mode: lines}\n"
	s := settings(file, "PROCESSOR", "{concurrency: 4, recordID: id}")
	cfg := s.Processor()
	require.NoError(t, s.Err())
	assert.Equal(t, 4, cfg.Concurrency)
	assert.Equal(t, 30*time.Second, cfg.Lease)
	assert.EqualValues(t, "lines", cfg.Pack.Mode)
	assert.Equal(t, "id", cfg.RecordID)
	for text, want := range map[string]string{
		"{concurency: 4}": "concurency", "{lease: soon}": "soon", "{": "PROCESSOR", "{retryURL: /x}": "ASIDE",
	} {
		s := settings("", "PROCESSOR", text)
		s.Processor()
		require.ErrorContains(t, s.Err(), want, text)
		require.ErrorContains(t, s.Err(), "PROCESSOR: ", text)
	}
	assert.Zero(t, settings("PROCESSOR:\n").Processor().Concurrency)
}
