package completion_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/completion"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// set is the one that most tests are about.
var set = completion.Set{Bucket: "bucket", Prefix: "out/", Run: "7"}

// some is how many of n simulations are made: a tenth where tests are short, as they are
// under the race detector.
func some(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}
