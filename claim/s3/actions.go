package s3

// Actions are the IAM actions that a store needs.
func Actions() []string {
	return []string{"s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"}
}
