package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }

func TestMergeSetsWhatTheMessageHasAndLeavesTheRestAlone(t *testing.T) {
	api := newTable()
	api.put(Item{"id": text("a"), "amount": number("12.50"), "state": text("new")})
	s := open(t, api, Config{Mode: Merge})
	want := Item{"id": text("a"), "amount": number("12.50"), "state": text("done"), "at": number("7")}
	for range 2 { // and again
		require.NoError(t, s.Send(t.Context(), messages(`{"id":"a","state":"done","at":7}`)))
		assert.Equal(t, want, api.items["a"])
	}
	require.NoError(t, s.Send(t.Context(), messages(`{"id":"a"}`)), "nothing but a key")
	assert.Equal(t, want, api.items["a"])
	assert.Zero(t, s.Existing())
}

// An update may come before what it is about: it is tried again later, and makes no
// item of its own.
func TestMergeIntoNothingIsRetryable(t *testing.T) {
	api := newTable()
	api.put(Item{"id": text("a")})
	s := open(t, api, Config{Mode: Merge})
	err := s.Send(t.Context(), messages(`{"id":"b","n":1}`, `{"id":"a","n":1}`, `{"id":"c"}`))
	assert.Equal(t, map[int]fault.Class{0: fault.ClassRetryable, 2: fault.ClassRetryable}, fates(t, err))
	assert.ErrorIs(t, err, errMissing)
	assert.Equal(t, number("1"), api.items["a"]["n"])
	assert.Len(t, api.items, 1)
}

// Of two messages of one item the later one wins.
func TestMergeOneItemTwice(t *testing.T) {
	api := newTable()
	api.put(Item{"id": text("a")})
	require.NoError(t, open(t, api, Config{Mode: Merge}).Send(t.Context(), messages(`{"id":"a","n":1,"m":1}`, `{"id":"a","n":2}`)))
	assert.Equal(t, Item{"id": text("a"), "n": number("2"), "m": number("1")}, api.items["a"])
}

// wide is a message with so many attributes beside its key.
func wide(attributes int) string {
	var b strings.Builder
	b.WriteString(`{"id":"a"`)
	for i := range attributes {
		fmt.Fprintf(&b, `,"attribute %d":%d`, i, i)
	}
	return b.String() + "}"
}

func TestMergeOfManyAttributes(t *testing.T) {
	api := newTable()
	api.put(Item{"id": text("a")})
	require.NoError(t, open(t, api, Config{Mode: Merge}).Send(t.Context(), messages(wide(400))))
	assert.Len(t, api.items["a"], 401)
	assert.Equal(t, number("399"), api.items["a"]["attribute 399"])
}
