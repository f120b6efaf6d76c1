package processor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/source"
)

// Where there was more to be looked at again than is remembered, everything is
// listed, but not before half of what is remembered was looked at: others are
// working it off.
func TestAgainListsAllWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := new(again), new(run)
		for i := range maxAgain {
			key := fmt.Sprint(i)
			delay := time.Second
			if i < maxAgain/2 {
				delay = time.Minute
			}
			a.heldByOther(key, source.Object{Key: key}, delay)
		}
		assert.False(t, a.missed(), "there was room for all")
		a.heldByOther("one more", source.Object{}, time.Second)
		assert.False(t, a.missed(), "there is no room yet")
		time.Sleep(2 * time.Second)
		assert.Len(t, a.take(r), maxAgain/2)
		assert.True(t, a.missed())
		assert.False(t, a.missed(), "once is enough")
	})
}
