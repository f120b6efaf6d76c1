package processor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/source"
)

// Objects that were noted one right after the other are looked at together.
func TestAgainTakesTogetherWhatIsDueTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := new(again), new(run)
		const n = 256
		for i := range n {
			key := fmt.Sprint(i)
			a.unclaimed(key, source.Object{Key: key}, time.Second)
			time.Sleep(time.Microsecond)
		}
		assert.Empty(t, a.take(r))
		time.Sleep(a.next(time.Minute))
		assert.Len(t, a.take(r), n)
		assert.Equal(t, time.Minute, a.next(time.Minute))
	})
}
