package usercode_test

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/usercode"
)

func TestCall(t *testing.T) {
	require.NoError(t, usercode.Call(func() error { return nil }))
	own := errors.New("own")
	assert.Equal(t, own, usercode.Call(func() error { return own }), "as it is")

	assert.EqualError(t, usercode.Call(func() error { panic("payload") }), "panic with a value of type string")
	assert.NotErrorIs(t, usercode.Call(func() error { panic(own) }), own, "its text may hold payload")
	_, ok := errors.AsType[runtime.Error](usercode.Call(func() error { panic(nil) }))
	assert.True(t, ok)

	for _, none := range []error{(*net.OpError)(nil), (*textless)(nil)} {
		err := usercode.Call(func() error { return none })
		_, ok = errors.AsType[runtime.Error](err)
		assert.True(t, ok, "%T", none)
	}
}

// textless is an error that panics when it is asked for its text, where it is nil.
type textless struct{ text string }

func (e *textless) Error() string { return e.text }

func TestTellable(t *testing.T) {
	require.NoError(t, usercode.Tellable(nil))
	own := errors.New("own")
	assert.Equal(t, own, usercode.Tellable(own), "as it is")
	assert.ErrorContains(t, usercode.Tellable((*textless)(nil)), "a *usercode_test.textless cannot be asked: panic: ")
	assert.ErrorContains(t, usercode.Tellable(fmt.Errorf("wrapped: %w", unwrapless{})), "cannot be asked")
}

// unwrapless is an error that panics when it is asked for what it wraps.
type unwrapless struct{}

func (unwrapless) Error() string { return "unwrapless" }
func (unwrapless) Unwrap() error { panic("payload") }
