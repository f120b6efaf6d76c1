package dynamodb

// WorkerActions are the IAM actions on the table that a worker needs: whoever
// claims, extends, completes and releases.
func WorkerActions() []string {
	return []string{"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}
}

// InspectorActions are those that the [claim.Inspector] methods need beside.
func InspectorActions() []string {
	return []string{"dynamodb:DeleteItem", "dynamodb:Scan"}
}

// SetupActions are those that [CreateTable] needs.
func SetupActions() []string {
	return []string{"dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive"}
}
