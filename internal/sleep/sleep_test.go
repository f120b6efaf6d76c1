package sleep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/internal/sleep"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		assert.NoError(t, sleep.For(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(start))
		assert.NoError(t, sleep.For(t.Context(), -time.Hour))
		assert.Equal(t, time.Hour, time.Since(start))

		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.ErrorIs(t, sleep.For(short, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Hour+time.Minute, time.Since(start))
		for _, d := range []time.Duration{-1, 0, time.Hour} {
			assert.ErrorIs(t, sleep.For(short, d), context.DeadlineExceeded, "it has ended before")
		}
		assert.Equal(t, time.Hour+time.Minute, time.Since(start))
	})
}
