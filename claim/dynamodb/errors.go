package dynamodb

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/processor/fault"
)

// refused returns the item that made a condition fail: nil attributes where
// there is none.
func refused(err error) (attributes, bool) {
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok {
		return nil, false
	}
	return failed.Item, true
}

// errUnsteady is the error of a lease that could not be written by a time that
// held until the answer.
func errUnsteady(op, key string) error {
	return fault.Interrupted(fmt.Errorf("dynamodb: %s %.64q: the dates of answers contradict each other", op, key))
}
