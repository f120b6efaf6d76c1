//go:build !race

package benchtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

// smallest is the memory of the smallest Lambda function.
const smallest = 128 << 20

// One object of 1 GB passes through a process that has 128 MB in all, with a
// custom processor and with a sink: as lines, as one array, compressed; and so
// do records of 15 MB. Without UNSPOOL_FULL it is 16 MB.
func TestLargeObjectInASmallProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("reads hundreds of megabytes")
	}
	for _, form := range []string{"lines", "array", "gzip", "long"} {
		for _, stage := range []string{"processor", "batches", "sink"} {
			if form == "long" && stage == "sink" {
				continue // no message holds such a record
			}
			t.Run(form+" "+stage, func(t *testing.T) {
				size := int64(scale(16, 1024)) << 20
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), fmt.Sprint(wholeEnv, "=", form, " ", stage, " ", size), stateEnv+"="+t.TempDir(),
					"GOMEMLIMIT=100MiB", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128")
				out, err := cmd.Output()
				if exit := new(exec.ExitError); errors.As(err, &exit) {
					require.NoError(t, err, "%s", exit.Stderr)
				}
				require.NoError(t, err)
				var report childReport
				require.NoError(t, json.Unmarshal(out, &report), "%s", out)
				r := report.Response
				assert.GreaterOrEqual(t, r.ReadBytes, size)
				assert.Equal(t, processor.StatusOK, r.Status)
				assert.Equal(t, r.Loaded, r.Processed)
				t.Logf("%d records, %d MB read, peak memory %d MB, %d ms", r.Processed, r.ReadBytes>>20, report.PeakKB>>10, r.RuntimeMs)
				assert.Less(t, report.PeakKB<<10, int64(smallest))
			})
		}
	}
}
