package disk_test

import (
	"flag"
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
	flag.Parse()
	if testtool.Brief() {
		if err := flag.Set("rapid.checks", "40"); err != nil { // in place of 100
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
