package bytime_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/bytime"
	"github.com/unspool-go/unspool/source/dir"
)

func folders(t testing.TB, cfg bytime.FoldersConfig) *bytime.Folders {
	t.Helper()
	f, err := bytime.NewFolders(cfg)
	require.NoError(t, err)
	return f
}

func TestFoldersBehindTheHorizonAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands at 2000-01-01T00:00:00Z
		f := folders(t, bytime.FoldersConfig{Layout: "2006/01/02/15", Horizon: 36 * time.Hour})
		skipped := int64(0)
		for folder, want := range map[string]bool{
			"1998":            true,
			"1999":            false, // it ended just now
			"1999/11":         true,
			"1999/12":         false,
			"1999/12/29":      true,  // ended 48 hours ago
			"1999/12/30":      false, // 24
			"1999/12/30/11":   true,  // 36 hours
			"1999/12/30/12":   false,
			"1999/11/05/13/x": true, // below
			"1999/12/30/12/x": false,
			"feeds":           false,
			"feeds/1998":      false,
			"1999/13":         false,
			"1999/feeds":      false,
			"2000/01":         false,
			"98":              false,
			"1":               false,
			"":                false,
			"//":              false,
		} {
			assert.Equal(t, want, f.Skip(folder), folder)
			assert.Equal(t, want, f.Skip(folder), "%s, asked again", folder)
			if want {
				skipped++
			}
			assert.Equal(t, skipped, f.Skipped(), "each counts once")
		}
		assert.False(t, folders(t, bytime.FoldersConfig{Layout: "2006"}).Skip("1990"), "no horizon is asked for")
	})
}

// A folder is past when its time is over everywhere, whoever's clock named it.
func TestPastFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folders(t, bytime.FoldersConfig{Layout: "dt=2006-01-02/hour=15"})
		for folder, want := range map[string]bool{
			"dt=1999-12-30":         true, // ended 24 hours ago
			"dt=1999-12-31":         false,
			"dt=1999-12-30/hour=23": true,
			"dt=1999-12-31/hour=00": false,
			"dt=1999-12-30/x":       false, // the name of no hour
			"1999-12-30":            false,
		} {
			assert.Equal(t, want, f.Past(folder), folder)
		}
		assert.Zero(t, f.Skipped())
		time.Sleep(time.Hour)
		assert.True(t, f.Past("dt=1999-12-31/hour=00"))
	})
}

func TestFoldersWithOtherNamesAmongThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folders(t, bytime.FoldersConfig{
			Layout: "*/in/2006/data/01/", Horizon: time.Hour, Location: time.FixedZone("AHEAD", 7200),
		})
		for folder, want := range map[string]bool{
			"feed":                  false,
			"feed/in":               false,
			"1998":                  false, // the name of a feed
			"1998/in":               false,
			"1998/1998":             false,
			"feed/in/1998":          true,
			"feed/out/1998":         false,
			"feed/in/1999":          true,  // ended 2 hours ago there
			"feed/in/2000":          false, // where the year has begun
			"feed/in/1998/data":     true,
			"feed/in/1998/data/01":  true,
			"feed/in/1999/data/12":  true,
			"feed/in/1999/other/12": false, // does not fit, and the year it is in is asked about first
		} {
			assert.Equal(t, want, f.Skip(folder), folder)
		}
	})
}

func TestMistakesOfFoldersAreNamedAtOnce(t *testing.T) {
	for _, layout := range []string{"", "/", "unix", "feed", "01/02", "2006/02", "15", "2006//01", "../2006", "2006/*/..", "*", "2006/01/02/03"} {
		_, err := bytime.NewFolders(bytime.FoldersConfig{Layout: layout, Horizon: -1})
		require.ErrorContains(t, err, "FoldersConfig.Layout", layout)
		require.ErrorContains(t, err, "FoldersConfig.Horizon", layout)
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
}

// No folder is skipped that can hold a time at the horizon or after it, whatever
// the layout; and what lies a unit before it is.
func TestNothingWithinTheHorizonIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const horizon = 40 * 24 * time.Hour
		edge := time.Now().Add(-horizon)
		for _, layout := range []string{"2006/01/02/15/04/05", "2006-01/02T15", "y=2006/m=1/d=2", "Jan 2006/2", "06/01/02"} {
			f := folders(t, bytime.FoldersConfig{Layout: layout, Horizon: horizon})
			for range 500 {
				at := edge.Add(time.Duration(rand.Int64N(int64(3 * horizon))))
				folder := at.UTC().Format(layout)
				for end := range len(folder) + 1 {
					if end == len(folder) || folder[end] == '/' {
						require.False(t, f.Skip(folder[:end]), "%s of %v", folder[:end], at)
					}
				}
				old := edge.Add(-48*time.Hour - time.Duration(rand.Int64N(int64(100*horizon)))).UTC().Format(layout)
				require.True(t, f.Skip(old), old)
			}
		}
	})
}

// A tree of a feed by days, of which only the last month is listed.
func ExampleFolders() {
	root, err := os.MkdirTemp("", "feed")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	today := time.Now().UTC().Format("2006/01/02")
	for _, folder := range []string{"2024/02/28", "2024/02/29", today, "other"} {
		os.MkdirAll(filepath.Join(root, folder), 0o755)
		os.WriteFile(filepath.Join(root, folder, "feed.json"), []byte(`{}`), 0o644)
	}
	folders, err := bytime.NewFolders(bytime.FoldersConfig{Layout: "2006/01/02", Horizon: 30 * 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	src, err := dir.Open(root, dir.Config{SkipFolder: folders.Skip, PastFolder: folders.Past})
	if err != nil {
		panic(err)
	}
	defer src.Close()
	n := 0
	for _, err := range src.Objects(context.Background()) {
		if err != nil {
			panic(err)
		}
		n++
	}
	fmt.Println(n, "files, and", folders.Skipped(), "folder passed over")
	// Output: 2 files, and 1 folder passed over
}
