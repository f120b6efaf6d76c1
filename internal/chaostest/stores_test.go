//go:build linux

package chaostest

import (
	"context"
	"fmt"
	"testing"

	"github.com/unspool-go/unspool/claim"
)

// claims is what a claim store must be able to do: workers claim, the judge
// looks.
type claims interface {
	claim.Claimer
	Inspect(ctx context.Context, keys []string) ([]claim.Entry, error)
}

// openStore opens a claim store of the kind at a TCP address, in any process.
func openStore(kind, addr string) (claims, error) {
	switch kind {
	case kindRemote:
		return openRemote(addr), nil
	case kindRedis:
		return openRedis(addr)
	case kindDynamoDB:
		return openDynamoDB(addr)
	case kindS3:
		return openS3(addr)
	}
	return nil, fmt.Errorf("no claim store of the kind %q", kind)
}

// server is what is behind a claim store.
type server interface {
	// addr is where it listens, also after a restart.
	addr() string
	// restart ends it at once, as a crash does, and starts it again. It returns
	// when it answers, with the span of the crash. A store that keeps all that
	// it acknowledged returns never. Any other calls meanwhile, which returns
	// when there is something to forget, and returns the moment before which
	// nothing was forgotten.
	restart(t testing.TB, meanwhile func()) (kept moment, crash span)
}
