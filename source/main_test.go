package source

import (
	"testing"

	"github.com/unspool-go/unspool/internal/testtool"
)

func TestMain(m *testing.M) {
	testtool.Checks(40)
	m.Run()
}
