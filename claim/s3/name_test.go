package s3_test

import (
	"crypto/sha256"
	"encoding/hex"
)

// nameOf is the end of the name of a key's object.
func nameOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
