package lambda

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/lambdatest"
)

// firstClaim is an empty DynamoDB that notes when it is first asked for a claim, and
// refuses it.
type firstClaim struct {
	mu sync.Mutex
	at time.Time
}

func (f *firstClaim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem") { // the time is learnt by it
		_, _ = w.Write([]byte(`{"Responses":{"claims":[]},"UnprocessedKeys":{}}`))
		return
	}
	f.mu.Lock()
	if f.at.IsZero() {
		f.at = time.Now()
	}
	f.mu.Unlock()
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}`))
}

// since is how long after a moment it was.
func (f *firstClaim) since(began time.Time) (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at.Sub(began), !f.at.IsZero()
}

// BenchmarkColdStart starts the loader, as it is deployed, and waits for its first
// claim: from the start of the process, with the settings read, the queue asked for its
// limits and the folder listed.
func BenchmarkColdStart(b *testing.B) {
	file := filepath.Join(b.TempDir(), "bootstrap")
	out, err := exec.CommandContext(b.Context(), "go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", file, "./loader").CombinedOutput()
	require.NoError(b, err, "%s", out)
	info, err := os.Stat(file)
	require.NoError(b, err)
	p := newWorld(b).place(b, "cold")
	p.put(b, "x.json", 0, 1)
	var total, worst time.Duration
	for b.Loop() {
		table := new(firstClaim)
		server := httptest.NewServer(table)
		env := append([]string{"AWS_ENDPOINT_URL_DYNAMODB=" + server.URL}, p.env...)
		p.settings["CLAIMS"] = "dynamodb:claims"
		for name, value := range p.settings {
			env = append(env, name+"="+value)
		}
		began := time.Now()
		function := lambdatest.StartRuntime(b, file, env)
		answer, err := function.Invoke([]byte(`{}`), time.Now().Add(time.Minute))
		require.NoError(b, err)
		took, ok := table.since(began)
		require.True(b, ok, "%v %s", answer.Failure, function.Log())
		total += took
		worst = max(worst, took)
		server.Close()
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/first-claim")
	b.ReportMetric(float64(worst.Milliseconds()), "ms/worst")
	b.ReportMetric(float64(info.Size())/1e6, "MB/binary")
}
