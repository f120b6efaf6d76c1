package testtool

import (
	"flag"
	"strconv"
)

// Checks has properties of pgregory.net/rapid checked on n inputs each, in place
// of 100, where tests are to be brief. It is for TestMain, before the tests run.
func Checks(n int) {
	flag.Parse()
	if !Brief() {
		return
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		panic(err) // the tests use no rapid
	}
}
