package dynamodb

import (
	"fmt"

	"github.com/unspool-go/unspool/processor/fault"
)

// passing are the reasons for which a transaction is cancelled that pass by themselves.
// From the reference of TransactWriteItems, "Error Code" of CancellationReason.
var passing = map[string]bool{
	"TransactionConflict":           true,
	"ProvisionedThroughputExceeded": true,
	"ThrottlingError":               true,
}

// reasonError is the error of a transaction that was cancelled for another reason than a
// known arrival or one that passes.
func reasonError(reason string, err error) error {
	wrapped := fmt.Errorf("dynamodb: arrive: %s: %w", reason, err)
	if reason == "ValidationError" { // names and keys are checked before, so the table is another
		return fault.Fatal(wrapped)
	}
	return fault.Interrupted(wrapped)
}
