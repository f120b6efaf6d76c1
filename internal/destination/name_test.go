package destination_test

import (
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/internal/destination"
)

const unique = "0123456789abcdef"

func TestNameOfAPart(t *testing.T) {
	for _, c := range []struct {
		key     string
		attempt int
		want    string
	}{
		{"numbers.txt", 0, "numbers.txt~0123456789abcdef.ndjson"},
		{"numbers.txt", 1, "numbers.txt-retry01~0123456789abcdef.ndjson"},
		{"a/b.json.gz", 12, "a/b.json.gz-retry12~0123456789abcdef.ndjson"},
		{"a b+ü.json", 1, "a b+ü.json-retry01~0123456789abcdef.ndjson"},
		{"", 0, "~0123456789abcdef.ndjson"},
		{"../../etc/passwd", 0, "%2E./%2E./etc/passwd~0123456789abcdef.ndjson"},
		{"/etc/passwd", 0, "%2Fetc/passwd~0123456789abcdef.ndjson"},
		{"a//b/", 0, "a%2F/b%2F~0123456789abcdef.ndjson"},
		{".hidden/.x", 0, "%2Ehidden/%2Ex~0123456789abcdef.ndjson"},
		{"line\nbreak\x00\xff", 0, "line%0Abreak%00%FF~0123456789abcdef.ndjson"},
		{"100%", 0, "100%25~0123456789abcdef.ndjson"},
		{"c:\\x?y#z", 0, "c%3A%5Cx%3Fy%23z~0123456789abcdef.ndjson"},
	} {
		got := destination.Name(c.key, c.attempt, unique)
		assert.Equal(t, c.want, got)
		key, attempt := destination.ParseName(got)
		assert.Equal(t, c.key, key)
		assert.Equal(t, c.attempt, attempt)
	}
}

// anyKey draws keys full of what has led parsers astray.
func anyKey() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"/", "//", ".", "..", "-retry01", "-retry123", "-retry", "~", "~0123456789abcdef", ".ndjson",
			".json", ".gz", "%", "%2F", "%2Dretry01", "%~", "\n", "\x00", "\xff", "\\", ":", "ü", "\ufffd", " ",
		}),
		rapid.StringMatching(`[a-z0-9]{1,6}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 6), func(b []byte) string { return string(b) }),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 12), func(s []string) string { return strings.Join(s, "") })
}

func TestParseNameInvertsName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := anyKey().Draw(t, "key")
		attempt := rapid.OneOf(rapid.IntRange(0, 150), rapid.IntRange(0, 999_999_999)).Draw(t, "attempt")
		name := destination.Name(key, attempt, unique)
		gotKey, gotAttempt := destination.ParseName(name)
		if strings.Contains(name, "%~") {
			t.Skip("shortened")
		}
		require.Equal(t, key, gotKey, "by way of %q", name)
		require.Equal(t, attempt, gotAttempt, "by way of %q", name)
	})
}

// safe fails unless name can be a file below a base on any file system or S3.
func safe(t require.TestingT, name string) {
	require.True(t, fs.ValidPath(name), "not a path below the base: %q", name)
	require.True(t, utf8.ValidString(name), "not UTF-8: %q", name)
	require.LessOrEqual(t, len(name), 800)
	for element := range strings.SplitSeq(name, "/") {
		require.LessOrEqual(t, len(element), 255, "element is too long: %q", element)
		require.NotEqual(t, byte('.'), element[0], "hidden element: %q", element)
	}
}

func TestWhateverTheKeyHoldsThePathStaysBelowTheBase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := strings.Repeat(anyKey().Draw(t, "key"), rapid.SampledFrom([]int{1, 3, 50, 500}).Draw(t, "times"))
		safe(t, destination.Name(key, rapid.IntRange(0, 1<<40).Draw(t, "attempt"), unique))
	})
}

func FuzzName(f *testing.F) {
	f.Add("a/../b-retry01.json.gz", 3)
	f.Add(strings.Repeat("é%\xff", 200)+"/x", 0)
	f.Fuzz(func(t *testing.T, key string, attempt int) {
		name := destination.Name(key, attempt, unique)
		safe(t, name)
		got, n := destination.ParseName(name)
		if !strings.Contains(name, "%~") && (got != key || n != min(max(attempt, 0), 999_999_999)) {
			t.Fatalf("%q, %d became %q, %d", key, attempt, got, n)
		}
		destination.ParseName(key)
	})
}

func TestOverlongNamesAreShortenedWithoutCollision(t *testing.T) {
	long := strings.Repeat("x", 400)
	deep := strings.Repeat("folder/", 300)
	seen := map[string]string{}
	for _, key := range []string{
		long, long + "y", long + ".json", strings.Repeat("x", 399) + "z",
		long + "/f", long + "y/f", deep + "f", deep + "g", "g/" + deep + "f", deep + deep + "f",
		strings.Repeat("é", 300), strings.Repeat("\n", 300), strings.Repeat("\n", 299) + "\t",
	} {
		name := destination.Name(key, 7, unique)
		safe(t, name)
		assert.Equal(t, name, destination.Name(key, 7, unique), "the same key gives the same name")
		assert.NotContains(t, seen, name, "two keys, one name")
		seen[name] = key
		_, attempt := destination.ParseName(name)
		assert.Equal(t, 7, attempt)

		// A key that is called like a shortened one does not meet it.
		posing, _ := destination.ParseName(name)
		assert.NotEqual(t, name, destination.Name(posing, 7, unique))
	}
}

// Defect 9 of cloudless: the counter was looked for anywhere in the URL, and
// the extension from the first dot on.
func TestRetryInAFolderNameIsNoCounter(t *testing.T) {
	name := destination.Name("jobs-retry03/day-retry04.d/numbers.txt", 1, unique)
	key, attempt := destination.ParseName(name)
	assert.Equal(t, "jobs-retry03/day-retry04.d/numbers.txt", key)
	assert.Equal(t, 1, attempt)

	key, attempt = destination.ParseName("jobs-retry03/numbers.txt")
	assert.Equal(t, "jobs-retry03/numbers.txt", key)
	assert.Zero(t, attempt)
}

func TestDotInAFolderNameIsNoExtension(t *testing.T) {
	key, attempt := destination.ParseName("my.bucket.com/v1.2/numbers-retry02")
	assert.Equal(t, "my.bucket.com/v1.2/numbers", key)
	assert.Equal(t, 2, attempt)
}

func TestShortNamesDoNotPanic(t *testing.T) {
	for _, name := range []string{
		"", "a", "-", "/", ".", "..", "-retry", "-retry0", "-retry01", "~", ".ndjson", "~.ndjson",
		"x~0123456789abcdef", "%", "-retry01.txt", ".gz", ".json.gz",
	} {
		key, attempt := destination.ParseName(name)
		assert.Equal(t, name, key, "it is just a name")
		assert.Zero(t, attempt, name)
	}
}

func TestOver99RetriesAreStillCounted(t *testing.T) {
	for _, attempt := range []int{99, 100, 101, 12345} {
		_, got := destination.ParseName(destination.Name("numbers.txt", attempt, unique))
		assert.Equal(t, attempt, got)
	}
}

func TestCounterOfAnotherToolsName(t *testing.T) {
	for _, c := range []struct {
		name, key string
		attempt   int
	}{
		{"numbers-retry01.txt", "numbers.txt", 1},
		{"a/numbers-retry100.json.gz", "a/numbers.json.gz", 100},
		{"numbers-retry07", "numbers", 7},
		{"v1.2-retry03", "v1.2", 3},
		{"numbers-retry1.txt", "numbers-retry1.txt", 0},
		{"numbers-retry01-x.txt", "numbers-retry01-x.txt", 0},
		{"numbers-retry01-retry02.txt", "numbers-retry01.txt", 2},
		{"numbers-retry1234567890.txt", "numbers-retry1234567890.txt", 0},
		{"100%25.json", "100%25.json", 0},
	} {
		key, attempt := destination.ParseName(c.name)
		assert.Equal(t, c.key, key, c.name)
		assert.Equal(t, c.attempt, attempt, c.name)
	}
}
