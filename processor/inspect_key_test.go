package processor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/source"
)

// What a claim is about can be told from its key, but for keys that were cut.
func TestClaimKeys(t *testing.T) {
	key, err := objectClaimKey(source.Object{Key: "a/b.json", Size: -1}, false)
	require.NoError(t, err)
	assert.Equal(t, "a/b.json", key)
	assert.Equal(t, claimed{object: "a/b.json"}, parseClaimKey(key))

	key, err = objectClaimKey(source.Object{Key: "a/b.json", Version: "v1"}, true)
	require.NoError(t, err)
	assert.Equal(t, claimed{object: "a/b.json", version: "v1"}, parseClaimKey(key))

	_, err = objectClaimKey(source.Object{Key: "a/b.json", Size: -1}, true)
	require.ErrorContains(t, err, "a/b.json")

	assert.Equal(t, claimed{part: "a/b~0.ndjson"}, parseClaimKey(partClaimKey("a/b~0.ndjson")))
	assert.Equal(t, claimed{}, parseClaimKey(archiverKey))

	long := strings.Repeat("x", claim.MaxKeyBytes+1)
	for _, key := range []string{partClaimKey(long), fitClaimKey(long), fitClaimKey(long + "y")} {
		assert.Len(t, key, claim.MaxKeyBytes)
		assert.Equal(t, claimed{}, parseClaimKey(key))
	}
	assert.NotEqual(t, fitClaimKey(long), fitClaimKey(long+"y"))
	assert.Equal(t, claimed{object: long[1:]}, parseClaimKey(long[1:]), "the longest that fits")
}
