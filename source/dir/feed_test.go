package dir_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// envFeed makes this program one that feeds a directory.
const envFeed = "UNSPOOL_TEST_FEED"

// feedJob is what the other process does: so many files, at so many a second.
type feedJob struct {
	Root   string
	Files  int
	Rate   int
	Styles []string // taken in turn
}

// The ways in which files come.
const (
	renamed  = "renamed" // from a name that is passed over
	moved    = "moved"   // from a folder that is passed over
	linked   = "linked"
	written  = "written"  // under its name
	foldered = "foldered" // into a new folder every hundred files
)

// startFeeder starts the other process. It ends with the test.
func startFeeder(t testing.TB, job feedJob) {
	text, err := json.Marshal(job)
	require.NoError(t, err)
	feeder := exec.CommandContext(t.Context(), os.Args[0])
	feeder.Env = append(os.Environ(), envFeed+"="+string(text))
	feeder.Stderr = os.Stderr
	require.NoError(t, feeder.Start())
	t.Cleanup(func() { feeder.Wait() })
}

// feed is the other process. The name of a file tells its number and when it
// came.
func feed(text string) error {
	var job feedJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	hidden := filepath.Join(job.Root, ".hidden")
	if err := os.MkdirAll(hidden, 0o700); err != nil {
		return err
	}
	content := []byte(`{"id":1,"text":"some text"}`)
	begun := time.Now()
	for i := range job.Files {
		if due := begun.Add(time.Duration(i) * time.Second / time.Duration(job.Rate)); i%32 == 0 {
			time.Sleep(time.Until(due))
		}
		style := job.Styles[i%len(job.Styles)]
		folder := job.Root
		from := filepath.Join(hidden, strconv.Itoa(i))
		switch style {
		case renamed:
			from = filepath.Join(folder, strconv.Itoa(i)+".tmp")
		case foldered:
			folder = filepath.Join(folder, fmt.Sprint("folder-", i/100), "in")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return err
			}
		}
		name := func() string { return filepath.Join(folder, fmt.Sprintf("%d-%d.json", i, time.Now().UnixNano())) }
		var err error
		if style == written {
			err = os.WriteFile(name(), content, 0o600)
		} else if err = os.WriteFile(from, content, 0o600); err == nil {
			if style == linked {
				if err = os.Link(from, name()); err == nil {
					err = os.Remove(from)
				}
			} else {
				err = os.Rename(from, name())
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fed takes the name of a file that was fed apart.
func fed(key string) (number int, came time.Time, ok bool) {
	n, at, ok := strings.Cut(strings.TrimSuffix(filepath.Base(key), ".json"), "-")
	number, err := strconv.Atoi(n)
	nanos, err2 := strconv.ParseInt(at, 10, 64)
	return number, time.Unix(0, nanos), ok && err == nil && err2 == nil
}
