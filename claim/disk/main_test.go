package disk_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/testtool"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		runChild(dir)
		return
	}
	testtool.Checks(20)
	goleak.VerifyTestMain(m)
}
