package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// block is the most arrivals of one transaction, which takes 100 actions, of which the
// count is one.
const block = 99

const (
	// collisions bounds how often a request is repeated because transactions of the
	// same set are under way.
	collisions = 20
	// firstWait and lastWait bound the waiting in between.
	firstWait = 10 * time.Millisecond
	lastWait  = time.Second
)

// Arrive implements [completion.Store].
func (s *Store) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (counted int, err error) {
	for part := range slices.Chunk(arrivals, block) {
		n, err := s.arrive(ctx, set, part)
		counted += n
		if err != nil {
			return counted, err
		}
	}
	return counted, nil
}

// arrive counts arrivals of one block.
func (s *Store) arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (counted int, err error) {
	wait := firstWait
	for try := 0; len(arrivals) > 0; {
		_, err := s.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: s.transaction(set, arrivals)})
		if err == nil {
			return len(arrivals), nil
		}
		canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok {
			return 0, dynamofault.Call(ctx, "arrive", err)
		}
		fresh, collided, reason := sift(arrivals, canceled.CancellationReasons)
		switch {
		case reason != "":
			return 0, reasonError(reason, err)
		case !collided && len(fresh) < len(arrivals):
			arrivals = fresh
			continue
		}
		arrivals = fresh
		if try++; try == collisions {
			return 0, fault.Interrupted(fmt.Errorf("dynamodb: arrive: transactions of the set collided %d times: %w", try, err))
		}
		if err := sleep.For(ctx, wait/2+rand.N(wait)); err != nil {
			return 0, dynamofault.Call(ctx, "arrive", err)
		}
		wait = min(2*wait, lastWait)
	}
	return 0, nil
}

// transaction puts arrivals, on condition that each is new, and counts them.
func (s *Store) transaction(set completion.Set, arrivals []completion.Arrival) []types.TransactWriteItem {
	var count completion.Count
	expiry := s.expiry()
	actions := make([]types.TransactWriteItem, 0, len(arrivals)+1)
	for _, a := range arrivals {
		count = count.Add(a)
		item := arrivalKey(set, a.Key)
		item[attrTTL] = expiry
		actions = append(actions, types.TransactWriteItem{Put: &types.Put{
			TableName:           &s.table,
			Item:                item,
			ConditionExpression: aws.String("attribute_not_exists(" + attrKey + ")"),
		}})
	}
	return append(actions, types.TransactWriteItem{Update: &types.Update{
		TableName:        &s.table,
		Key:              setKey(set),
		UpdateExpression: aws.String("SET e = :e ADD n :n, o :o, r :r"),
		ExpressionAttributeValues: attributes{
			":e": expiry, ":n": integer(count.Arrivals), ":o": integer(count.Objects), ":r": integer(count.Records),
		},
	}})
}

// sift returns the arrivals that are not to blame because they are known, whether
// something collided or was throttled, and any other reason there is. The reasons
// are those of the actions of a transaction, in their order.
func sift(arrivals []completion.Arrival, reasons []types.CancellationReason) (fresh []completion.Arrival, collided bool, other string) {
	for i, r := range reasons {
		switch code := aws.ToString(r.Code); code {
		case "ConditionalCheckFailed":
			continue
		case "None", "":
		default:
			if passing[code] {
				collided = true
			} else {
				other = code
			}
		}
		if i < len(arrivals) {
			fresh = append(fresh, arrivals[i])
		}
	}
	if len(reasons) != len(arrivals)+1 {
		other = "no reasons"
	}
	return fresh, collided, other
}
