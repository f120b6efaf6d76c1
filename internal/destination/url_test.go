package destination_test

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
)

func TestCheckNamesTheMistake(t *testing.T) {
	for url, want := range map[string]string{
		"":                       "empty",
		" ":                      "empty",
		"a\x00b":                 "control character",
		"a\nb":                   "control character",
		"://x":                   "malformed scheme",
		"a/b://x":                "malformed scheme",
		"nosuch://bucket/x":      "not registered",
		"mem://":                 "names no folder",
		"mem:///":                "names no folder",
		"mem://localhost/a/../b": ".. element",
		"mem:/localhost/a":       "a url starts with mem://",
		"s3:bucket/a":            "a url starts with s3://",
		"file://otherhost/x":     "another host",
		"zip://localhost/a.zip":  "not fit",
		"scp://host/a":           "not fit",
		"/data/$TimePaht":        "unknown macro $TimePaht",
		"/data/${UUID}":          "unknown macro ${UUID}",
	} {
		err := destination.Check(url)
		assert.ErrorContains(t, err, want, "url %q", url)
		_, err = destination.Open(destination.Config{URL: url})
		assert.ErrorContains(t, err, want, "url %q", url)
	}
	for _, url := range []string{
		"retry", "./retry", "../retry", "/data/retry/", "file:///data/retry", "file://localhost/data/$UUID/$TimePath",
		"mem://localhost/retry", "/data/100%/a b",
	} {
		assert.NoError(t, destination.Check(url), "url %q", url)
	}
}

func TestInside(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"/a/b", "file:///a"}:              true,
		{"/a", "file:///a/"}:               true,
		{"/ab", "file:///a"}:               false,
		{"/a/../b", "file:///a"}:           false,
		{"s3://b/in/retry", "s3://b/in/"}:  true,
		{"s3://b/in", "s3://b/in/"}:        true,
		{"s3://b/in-retry", "s3://b/in/"}:  false,
		{"s3://b/retry", "s3://b/"}:        true,
		{"s3://b2/retry", "s3://b/"}:       false,
		{"s3://b/in/retry", "http://b/in"}: false,
		{"s3://a/b", "file:///a"}:          false,
		{"/a/b", "s3://a/b"}:               false,
	} {
		assert.Equal(t, want, destination.Inside(pair[0], pair[1]), "%v", pair)
	}
}

// Defect 8 of cloudless: its $TimePath had a 12-hour clock.
func TestTimePathHasA24HourClockInUTC(t *testing.T) {
	start := time.Date(2026, 11, 22, 1, 30, 0, 0, time.FixedZone("", 10*3600)) // 15:30 UTC the day before
	s, err := destination.Open(destination.Config{URL: "mem://localhost/$TimePath/x", Start: start})
	require.NoError(t, err)
	assert.Equal(t, "mem://localhost/2026/11/21/15/x", s.URL())
}

func TestUUIDIsExpandedOncePerStore(t *testing.T) {
	a, b := open(t, "mem://localhost/$UUID/x"), open(t, "mem://localhost/$UUID/x")
	assert.Regexp(t, regexp.MustCompile(`^mem://localhost/[0-9a-f-]{36}/x$`), a.URL())
	assert.NotEqual(t, a.URL(), b.URL())
	assert.Equal(t, a.URL(), a.URL())
}

func TestRelativePathIsOfTheWorkingFolderAtOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := open(t, "retry")
	t.Chdir(t.TempDir())
	name := write(t, s, "a.json", 0, "x\n")
	assert.FileExists(t, filepath.Join(dir, "retry", name))
}
