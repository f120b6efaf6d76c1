package processor_test

import (
	"context"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
)

// Five in the afternoon was once 05.
func TestDefect08TimePath24Hours(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		zone := time.FixedZone("", 2*60*60)
		for when, want := range map[time.Time]string{
			time.Date(2026, 11, 21, 17, 5, 0, 0, time.UTC):  "2026/11/21/17",
			time.Date(2026, 11, 21, 0, 5, 0, 0, time.UTC):   "2026/11/21/00",
			time.Date(2026, 11, 21, 12, 59, 0, 0, time.UTC): "2026/11/21/12",
			time.Date(2027, 1, 1, 1, 30, 0, 0, zone):        "2026/12/31/23",
		} {
			p := newPush(t, fresh(base), refuse)
			p.cfg.RetryURL += "/$TimePath/in"
			p.cfg.DestinationURL = p.base + "/out/$TimePath"
			req := processor.NewRequest(text(numbered(2)), nil, "data/numbers.txt")
			req.StartTime = when
			resp, err := p.request(t.Context(), req)
			require.NoError(t, err)
			assert.True(t, strings.HasSuffix(resp.RetryURL, "/retry/"+want+"/in"), resp.RetryURL)
			assert.True(t, strings.HasSuffix(resp.DestinationURL, "/out/"+want), resp.DestinationURL)
			assert.True(t, when.Equal(resp.StartTime))
			assert.Len(t, p.lines("retry/"+want+"/in"), 2)
		}
	})
}

// Whatever the name, what fails lands below the destination, under the object's
// path, with its counter one up.
func TestDefect09RetryNamesAreParsedAtTheEndOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		for url, want := range map[string]struct {
			key     string
			attempt int
		}{
			"mem://localhost/data/numbers.txt":                 {"data/numbers.txt", 1},
			"mem://localhost/data/numbers-retry01.txt":         {"data/numbers.txt", 2},
			"s3://bucket/a.b/c-retry02.json":                   {"a.b/c.json", 3},
			"s3://my.bucket.name/c":                            {"c", 1},
			"s3://bucket/x-retry05/y.txt":                      {"x-retry05/y.txt", 1},
			"s3://bucket/x-retry05/y-retry06.txt":              {"x-retry05/y.txt", 7},
			"s3://bucket/x-retry-retry07.txt":                  {"x-retry.txt", 8},
			"s3://bucket/a-retry99.csv.gz":                     {"a.csv.gz", 100},
			"s3://bucket/a-retry100.csv.gz":                    {"a.csv.gz", 101},
			"s3://bucket/my-retry03-notes.txt":                 {"my-retry03-notes.txt", 1},
			"gs://b/deep/er/and/deeper/n.txt":                  {"deep/er/and/deeper/n.txt", 1},
			"a":                                                {"a", 1},
			"a.b":                                              {"a.b", 1},
			"/x/y.txt":                                         {"x/y.txt", 1},
			"file:///x/with space.txt":                         {"x/with space.txt", 1},
			"s3://bucket/x/with%20space.txt":                   {"x/with space.txt", 1},
			"x/with space.txt":                                 {"x/with space.txt", 1},
			"x/100%.txt":                                       {"x/100%.txt", 1},
			"s3://bucket/x/100%.txt":                           {"x/100%.txt", 1},
			"s3://bucket/x/what?.txt":                          {"x/what?.txt", 1},
			"s3://bucket/x/no#1.txt":                           {"x/no#1.txt", 1},
			"data:2026.txt":                                    {"data:2026.txt", 1},
			"12:30/numbers.txt":                                {"12:30/numbers.txt", 1},
			"s3://bucket/../../../etc/passwd":                  {"../../../etc/passwd", 1},
			"s3://bucket/" + strings.Repeat("long/", 60) + "x": {strings.Repeat("long/", 60) + "x", 1},
		} {
			p := newPush(t, fresh(base), refuse)
			p.cfg.MaxRetries = 1000
			resp, err := p.do(t.Context(), strings.NewReader("x\n"), url)
			require.NoError(t, err, url)
			assert.Equal(t, url, resp.SourceURL)
			assert.EqualValues(t, 1, resp.RetryErrors)
			parts := p.parts("retry")
			require.Len(t, parts, 1, url)
			assert.Equal(t, want.attempt, parts[0].Attempt, url)
			kept := p.kept("retry")
			require.Len(t, kept, 1, url)
			assert.Equal(t, want.key, kept[0].Object, url)
			assert.Equal(t, want.attempt, kept[0].Attempt, url)
			assert.True(t, path.IsAbs("/"+parts[0].Name) && !strings.Contains("/"+parts[0].Name+"/", "/../"), parts[0].Name)
		}
	})
}

// After 99 retries the counter once started again.
func TestDefect09RetriesEndHoweverManyAreAllowed(t *testing.T) {
	for _, c := range []struct {
		max, calls int
	}{{-1, 0}, {1, 1}, {3, 3}, {120, 120}} {
		p := newPush(t, memoryBase(t), refuse)
		p.cfg.MaxRetries, p.cfg.Concurrency = c.max, 1
		_, err := p.do(t.Context(), strings.NewReader("x\n"), "data/numbers.txt")
		require.NoError(t, err)
		calls := 0
		for calls <= c.calls && p.again(time.Minute) > 0 {
			calls++
		}
		assert.Equal(t, c.calls, calls, "MaxRetries %d", c.max)
		assert.Equal(t, []string{"x"}, p.lines("failed"))
		assert.Empty(t, p.parts("retry"))
	}
}

// Two events of one object are two parts, each of whole lines.
func TestDefect13SameEventTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		p := newPush(t, base, refuse)
		lines := numbered(500)
		for range 2 {
			_, err := p.do(t.Context(), text(lines), "data/numbers.txt")
			require.NoError(t, err)
		}
		p.settledOnce(append(numbered(500), lines...))
	})
}

func TestDefect13SameEventManyTimesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		const events = 8
		p := newPush(t, base, func(ctx context.Context, line string) error {
			if strings.HasSuffix(line, "5") {
				return processor.NewDataCorruption("five")
			}
			return errNotNow
		})
		svc, err := processor.New(p.cfg)
		require.NoError(t, err)
		var all []string
		var wg sync.WaitGroup
		for range events {
			all = append(all, numbered(200)...)
			wg.Go(func() {
				_, err := svc.Do(t.Context(), processor.NewRequest(text(numbered(200)), nil, "data/numbers.txt"))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Len(t, p.lines("corrupt"), events*20)
		p.settledOnce(all)
	})
}

// A part that is pushed is read as a part, whatever its counter and however its
// records were split before.
func TestDefect13PartsArePushedAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ name, input, want string }{
			{"lines", `{"a":1}` + "\n", `{"a":1}`},
			{"whole", "one\ntwo\n", "one\ntwo"},
			{"auto", `[{"a":1}]`, `{"a":1}`},
			{"lines", strings.Repeat("\x01", 100), strings.Repeat("\x01", 100)},
			{"lines", strings.Repeat(`"`, 128), strings.Repeat(`"`, 128)},
		} {
			for _, cut := range []bool{false, true} {
				var fail atomic.Bool
				fail.Store(true)
				p := newPush(t, t.TempDir(), func(context.Context, string) error {
					if fail.Load() {
						return errNotNow
					}
					return nil
				})
				p.cfg.Split.Format, p.cfg.Split.Raw = source.Format(c.name), c.name != "auto"
				p.cfg.Split.MaxRecordBytes = 128
				ctx := t.Context()
				if cut { // uncounted: nothing in the part's name tells an attempt
					stopped, cancel := context.WithCancel(ctx)
					cancel()
					ctx = stopped
				}
				_, err := p.do(ctx, strings.NewReader(c.input), "data/x.json")
				require.NoError(t, err)
				fail.Store(false)
				require.Equal(t, 1, p.again(time.Minute))
				assert.Equal(t, []string{c.want}, p.done.lines(), "%s, cut %v", c.name, cut)
				assert.Empty(t, p.parts("corrupt"))
			}
		}
	})
}
