package dynamodb

import (
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/processor/fault"
)

// Of two messages with one key the later one is never written before the first, which
// would come again and replace it.
func TestDefectAMessageThatWasThrottledReplacedALaterOne(t *testing.T) {
	for _, mode := range []Mode{Put, PutIfAbsent, Merge} {
		synctest.Test(t, func(t *testing.T) {
			api := newTable()
			if mode == Merge {
				api.put(Item{"id": &types.AttributeValueMemberS{Value: "a"}})
				api.put(Item{"id": &types.AttributeValueMemberS{Value: "b"}})
			}
			tries := 0
			api.leave = func(key string) bool {
				if key == "a" {
					tries++
				}
				return key == "a" && tries <= mostPauses+2
			}
			s := open(t, api, Config{Mode: mode})
			batch := messages(`{"id":"a","n":1}`, `{"id":"b","n":1}`, `{"id":"a","n":2}`)
			assert.Equal(t, map[int]fault.Class{0: fault.ClassInterrupted, 2: fault.ClassInterrupted}, fates(t, s.Send(t.Context(), batch)), mode)
			assert.NotContains(t, api.items["a"], "n", mode)
		})
	}
}

// One that will never be written keeps no other of its key from it.
func TestALaterMessageIsWrittenAfterACorruptOne(t *testing.T) {
	api := newTable()
	api.refuse = func(item Item) bool { return item["n"].(*types.AttributeValueMemberN).Value == "1" }
	err := open(t, api, Config{}).Send(t.Context(), messages(`{"id":"a","n":1}`, `{"id":"a","n":2}`))
	assert.Equal(t, map[int]fault.Class{0: fault.ClassCorrupt}, fates(t, err))
	assert.Contains(t, api.items, "a")
}

// A message on which the function of the user panics is that message's fault alone.
func TestDefectAPanicOfItemEndedTheProcess(t *testing.T) {
	api := newTable()
	s := open(t, api, Config{Item: func(body []byte) (Item, error) {
		if string(body) == "secret" {
			panic("secret")
		}
		return FromJSON(body)
	}})
	err := s.Send(t.Context(), messages("secret", `{"id":"a"}`))
	assert.Equal(t, map[int]fault.Class{0: fault.ClassCorrupt}, fates(t, err))
	assert.NotContains(t, err.Error(), "secret")
	assert.Contains(t, api.items, "a")
}
