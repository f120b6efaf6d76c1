package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// selection is what the tests select, as fields of records and as --select.
var selection = []struct{ name, path string }{
	{"id", "id"}, {"user", "user.screen_name"}, {"tags", "entities.hashtags.#.text"}, {"text", "text"},
	{"score", "score"}, {"lang", "lang"},
}

func selectFlag() string {
	flag := ""
	for _, f := range selection {
		flag += "," + f.name + "=" + f.path
	}
	return flag[1:]
}

// queue is a queue of a stand-in in the test process, and what came in. It
// answers for the limits: whatever breaks one is refused by the stand-in, and
// noted as such by the command.
type queue struct {
	*sqstest.Server
	name string

	// arrived has a token whenever messages came since it was last looked at.
	arrived chan struct{}

	mu      sync.Mutex
	records map[int64]delivered
	sizes   []int // of the messages' bodies
}

// delivered is one record as it arrived.
type delivered struct {
	times int
	value string
	// message is the hash of the body it came in, and mixed says that it came in
	// bodies that differ.
	message [sha256.Size]byte
	mixed   bool
	first   time.Time
}

func startQueue(t *testing.T, name string, cfg sqstest.QueueConfig) *queue {
	t.Helper()
	q := &queue{name: name, records: map[int64]delivered{}, arrived: make(chan struct{}, 1)}
	q.Server = sqstest.Start(t, sqstest.Config{
		DiscardBodies: true,
		OnMessage:     func(_ string, m sqstest.Message) { q.add(m) },
	})
	_, err := q.AddQueue(q.name, cfg)
	require.NoError(t, err)
	return q
}

func (q *queue) add(m sqstest.Message) {
	values := gjson.Parse(m.Body).Array()
	hash := sha256.Sum256([]byte(m.Body))
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, v := range values {
		id := v.Get("id").Int()
		d := q.records[id]
		d.mixed = d.mixed || d.times > 0 && d.message != hash
		if d.times == 0 {
			d.first = time.Now()
		}
		d.times++
		d.value, d.message = v.Raw, hash
		q.records[id] = d
	}
	q.sizes = append(q.sizes, len(m.Body))
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// env is the environment in which the command finds the stand-in.
func (q *queue) env() []string {
	return []string{
		"AWS_ENDPOINT_URL_SQS=" + q.URL(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// setenv makes that the environment of the test itself.
func (q *queue) setenv(t *testing.T) {
	t.Helper()
	for _, e := range q.env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
}

// got returns a copy of the records that came, by id.
func (q *queue) got() map[int64]delivered {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.records)
}

// duplicates returns how many deliveries were beyond the first of their record.
func (q *queue) duplicates() int {
	n := 0
	for _, d := range q.got() {
		n += d.times - 1
	}
	return n
}

// requireAll fails unless exactly the records expected have come, as often as
// between one and most times.
func (q *queue) requireAll(t *testing.T, want []int64, most int) {
	t.Helper()
	got := q.got()
	missing, extra, often := 0, len(got), 0
	for _, id := range want {
		d, ok := got[id]
		if !ok {
			missing++
			continue
		}
		extra--
		if most > 0 && d.times > most {
			often++
		}
	}
	require.Zero(t, missing, "records of %d lost", len(want))
	require.Zero(t, extra, "records that nobody expects")
	require.Zero(t, often, "records that came more than %d times", most)
}

// requireValues fails unless each record of the folder has, in the selected
// fields, exactly what gjson finds there, and the whole of it in the member
// "all".
func (q *queue) requireValues(t *testing.T, cfg spooltest.Config) {
	t.Helper()
	got := q.got()
	for f := range spooltest.Files(cfg) {
		for _, rec := range f.Records {
			require.Equal(t, string(rec.JSON), gjson.Get(got[rec.ID].value, "all").Raw)
			for _, s := range selection {
				want := gjson.GetBytes(rec.JSON, s.path)
				have := gjson.Get(got[rec.ID].value, s.name)
				if have.Exists() != want.Exists() || have.Raw != want.Raw {
					require.Equal(t, want.Raw, have.Raw, "%s (%s): %s", f.Name, f.Kind, s.path)
				}
			}
		}
	}
}

// requireFull fails unless the messages are packed to within a tenth of target
// on average, but for the last ones: those that each worker had in hand.
func (q *queue) requireFull(t *testing.T, target, last int) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	sizes := slices.Clone(q.sizes)
	slices.SortFunc(sizes, func(a, b int) int { return cmp.Compare(b, a) })
	require.Greater(t, len(sizes), last, "too few messages to tell")
	sum := 0
	for _, n := range sizes[:len(sizes)-last] {
		sum += n
	}
	mean := sum / (len(sizes) - last)
	t.Logf("%d messages, mean of all but the last %d: %d of %d bytes", len(sizes), last, mean, target)
	assert.LessOrEqual(t, sizes[0], target)
	assert.GreaterOrEqual(t, mean, target*9/10)
}

// requireAccounted fails unless every record of the response has one fate.
func requireAccounted(t *testing.T, r processor.Response) {
	t.Helper()
	require.Equal(t, r.Loaded, r.Delivered+r.Dropped+r.RetryErrors+r.CorruptionErrors+r.FailedErrors, "%+v", r)
	require.Equal(t, r.Processed, r.Delivered+r.Dropped)
}

// summaryOf reads the JSON summary, which must be all of stdout.
func summaryOf(t *testing.T, stdout []byte) processor.Response {
	t.Helper()
	var r processor.Response
	require.NoError(t, json.Unmarshal(stdout, &r), "stdout: %s", stdout)
	requireAccounted(t, r)
	return r
}

// spool is a folder of files, with the claims of one test and its destinations
// beside it.
type spool struct {
	folder string
	state  string // the claims; -retry, -failed and -corruption are added to it
	cfg    spooltest.Config
	want   spooltest.Expected
}

func newSpool(t *testing.T, cfg spooltest.Config) spool {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "in")
	want, err := spooltest.Write(folder, cfg)
	require.NoError(t, err)
	return spool{folder, folder + ".unspool", cfg, want}
}

// anew returns the spool with claims of their own: nothing of it is done.
func (s spool) anew(t *testing.T) spool {
	t.Helper()
	s.state = filepath.Join(t.TempDir(), "claims")
	return s
}

// args is the command line that drains the spool into q. What is in more is not
// given otherwise.
func (s spool) args(q *queue, more ...string) []string {
	args := []string{"run"}
	for _, f := range [][2]string{
		{"--source", s.folder}, {"--claims", "disk:" + s.state}, {"--sink", "sqs:" + q.name},
		{"--select", selectFlag()}, {"--summary", "json"},
	} {
		if !slices.Contains(more, f[0]) {
			args = append(args, f[:]...)
		}
	}
	return append(args, more...)
}
