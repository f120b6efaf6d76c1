package processor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Claim keys that begin with a NUL byte are this package's own: no object has
// such a key.
const (
	retryKeyPrefix = "\x00retry/"  // and the name of a part of the retry destination
	archiverKey    = "\x00archive" // the lease of whoever archives
)

// objectClaimKey is the name under which an object of the source is claimed.
func objectClaimKey(o source.Object, versions bool) (string, error) {
	key := o.Key
	if versions {
		id := o.Identity()
		if id == "" {
			return "", fault.Fatal(fmt.Errorf("ClaimVersion: the listing does not tell the version of %s: let the source tell it, or claim by key", key))
		}
		key += "\x00" + id
	}
	return fitClaimKey(key), nil
}

// partClaimKey is the name under which a part of the retry destination is
// claimed.
func partClaimKey(name string) string { return fitClaimKey(retryKeyPrefix + name) }

// cutHash is the length of what stands for the end of a key that is too long.
const cutHash = 1 + 2*sha256.Size

// fitClaimKey puts a hash in place of the end of a key that is too long.
func fitClaimKey(key string) string {
	if len(key) <= claim.MaxKeyBytes {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:claim.MaxKeyBytes-cutHash] + "\x00" + hex.EncodeToString(sum[:])
}

// claimed is what a claim key names: an object, a part of the retry
// destination, or neither, where the key is the archiver's or was cut.
type claimed struct {
	object  string
	version string // of the object; empty where keys alone are claimed
	part    string
}

// parseClaimKey takes a claim key apart.
func parseClaimKey(key string) claimed {
	if key == archiverKey || len(key) == claim.MaxKeyBytes && key[claim.MaxKeyBytes-cutHash] == 0 {
		return claimed{}
	}
	if part, ok := strings.CutPrefix(key, retryKeyPrefix); ok {
		return claimed{part: part}
	}
	object, version, _ := strings.Cut(key, "\x00")
	return claimed{object: object, version: version}
}
