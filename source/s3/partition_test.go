package s3_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/source/s3"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04", text)
	require.NoError(t, err)
	return v
}

// prefixes returns what was asked for, below the root.
func (f *fake) prefixes() []string {
	var got []string
	for _, r := range f.requests("ListObjectsV2") {
		got = append(got, r.URL.Query().Get("prefix")[len("in/"):])
	}
	return got
}

func TestOnlyThePartitionsWantedAreListed(t *testing.T) {
	for name, c := range map[string]struct {
		p    s3.Partitions
		want []string
	}{
		"hours": {
			s3.Partitions{Layout: "dt=2006-01-02/hour=15/", From: at(t, "2026-01-01 22:30"), To: at(t, "2026-01-03 01:00")},
			[]string{"dt=2026-01-01/hour=22/", "dt=2026-01-01/hour=23/", "dt=2026-01-02/", "dt=2026-01-03/hour=00/"},
		},
		"years and months": {
			s3.Partitions{Layout: "2006/01/02", From: at(t, "2024-12-30 00:00"), To: at(t, "2026-02-02 00:01")},
			[]string{"2024/12/30/", "2024/12/31/", "2025/", "2026/01/", "2026/02/01/", "2026/02/02/"},
		},
		"names without a time": {
			s3.Partitions{Layout: "events/2006-01-02/json", From: at(t, "2026-01-01 22:30"), To: at(t, "2026-01-02 00:30")},
			[]string{"events/2026-01-01/json/", "events/2026-01-02/json/"},
		},
		"months by name": {
			s3.Partitions{Layout: "2006-Jan", From: at(t, "2026-03-31 22:30"), To: at(t, "2026-04-02 00:30")},
			[]string{"2026-Mar/", "2026-Apr/"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			s := open(t, f, s3.Config{Partitions: c.p})
			for _, prefix := range c.want {
				f.put("in/"+prefix+"x.json", "{}")
			}
			for range s.Objects(t.Context()) {
			}
			assert.Equal(t, c.want, f.prefixes())
		})
	}
}

func TestLookBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at midnight
		f := &fake{}
		s := open(t, f, s3.Config{Partitions: s3.Partitions{Layout: "2006-01-02T15", LookBack: 90 * time.Minute}})
		time.Sleep(10*time.Hour + 40*time.Minute)
		assert.Empty(t, keys(t, s))
		assert.Equal(t, []string{"2000-01-01T09/", "2000-01-01T10/", "2000-01-01T11/"}, f.prefixes(), "and the next, for clocks that are ahead")
		time.Sleep(30 * time.Minute)
		assert.Empty(t, keys(t, s))
		assert.Equal(t, []string{"2000-01-01T09/", "2000-01-01T10/", "2000-01-01T11/", "2000-01-01T12/"}, f.prefixes())
	})
}

// What is listed does not depend on how the prefixes were put together.
func TestPartitionsHoldExactlyTheirTime(t *testing.T) {
	layouts := []struct {
		layout string
		unit   time.Duration
	}{
		{"2006/01/02/15/04", time.Minute},
		{"dt=2006-01-02/hour=15", time.Hour},
		{"y=2006/m=01/x/d=02/y", 24 * time.Hour},
		{"2006-002", 24 * time.Hour},
	}
	f := &fake{}
	start := at(t, "2023-12-30 00:00")
	for i := range 500 { // every 41 minutes, over two weeks and the end of a year
		for _, l := range layouts {
			f.put("in/"+start.Add(time.Duration(i)*41*time.Minute).Format(l.layout)+"/x", "{}")
		}
	}
	f.put("in/2024/01/02/stray", "{}")
	f.put("in/dt=2024-01-02/hour=later/stray", "{}")
	rapid.Check(t, func(r *rapid.T) {
		l := rapid.SampledFrom(layouts).Draw(r, "layout")
		from := start.Add(time.Duration(rapid.IntRange(-1000, 30_000).Draw(r, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(1, 30_000).Draw(r, "long")) * time.Minute)
		s := open(t, f, s3.Config{Partitions: s3.Partitions{Layout: l.layout, From: from, To: to}})
		want := map[string]bool{}
		for i := range 500 {
			made := start.Add(time.Duration(i) * 41 * time.Minute)
			begin := made.Truncate(l.unit)
			if begin.Before(to) && begin.Add(l.unit).After(from) {
				want[made.Format(l.layout)+"/x"] = true
			}
		}
		for _, key := range keys(t, s) {
			if !want[key] {
				r.Fatalf("listed %q, or twice", key)
			}
			delete(want, key)
		}
		if len(want) > 0 {
			r.Fatalf("not listed: %v", want)
		}
	})
}

func TestLayoutsThatTellNoTime(t *testing.T) {
	for _, layout := range []string{"hour=15/dt=2006-01-02", "Mon/2006-01-02", "01/02", "json", "2006//01", "2006-01-02/03", "v2/2006-01-02", "../2006"} {
		p := s3.Partitions{Layout: layout, LookBack: time.Hour}
		_, err := s3.New(clientOf("http://s3.test", &fake{}), s3.Config{Bucket: "feed", Partitions: p})
		assert.ErrorContains(t, err, "Config.Partitions.Layout", layout)
	}
	for _, layout := range []string{"2006", "06/1/2", "20060102/150405", "2006-01-02/03PM", "2006/002"} {
		p := s3.Partitions{Layout: layout, LookBack: time.Hour}
		_, err := s3.New(clientOf("http://s3.test", &fake{}), s3.Config{Bucket: "feed", Partitions: p})
		assert.NoError(t, err, layout)
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := s3.New(nil, s3.Config{
		Bucket: "feed/in", Suffixes: []string{""}, Ignore: []string{"["}, MinAge: -1, MaxDepth: -1, PartBytes: -1, Parallel: -1, Timeout: -1,
		CustomerKey: []byte("short"), Flat: true, Growing: s3.Growing{Overlap: -1, FullEvery: -1},
		Partitions: s3.Partitions{Layout: "none", LookBack: -1, From: at(t, "2026-01-02 00:00"), To: at(t, "2026-01-01 00:00")},
	})
	require.Error(t, err)
	for _, field := range []string{
		"client", "Bucket", "Suffixes[0]", "Ignore[0]", "MinAge", "MaxDepth", "PartBytes", "Parallel", "Timeout", "CustomerKey", "Flat",
		"Growing.Overlap", "Growing.FullEvery", "Partitions.Layout", "Partitions.LookBack",
	} {
		assert.ErrorContains(t, err, field)
	}
	for field, p := range map[string]s3.Partitions{
		"From":     {Layout: "2006"},
		"LookBack": {Layout: "2006", From: time.Now(), LookBack: time.Hour},
		"To":       {Layout: "2006", From: at(t, "2026-01-02 00:00"), To: at(t, "2026-01-01 00:00")},
		"Layout":   {LookBack: time.Hour},
	} {
		_, err := s3.New(clientOf("http://s3.test", &fake{}), s3.Config{Bucket: "feed", Partitions: p})
		assert.ErrorContains(t, err, fmt.Sprintf("Config.Partitions.%s:", field))
	}
	_, err = s3.New(clientOf("http://s3.test", &fake{}), s3.Config{})
	assert.ErrorContains(t, err, "Config.Bucket: required")
}
