package s3_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source/s3"
)

// One folder is listed as it is in the whole, from its own prefix on.
func TestFolder(t *testing.T) {
	f := &fake{pageSize: 2}
	for _, key := range []string{"a", "d/1", "d/2", "d/.hidden", "d/sub/3", "d2/4", "e/5"} {
		f.put("in/"+key, "{}")
	}
	s := open(t, f, s3.Config{})
	for folder, want := range map[string][]string{"": {"a"}, "d": {"d/1", "d/2"}, "d/sub": {"d/sub/3"}, "none": nil} {
		var got []string
		for o, err := range s.Folder(t.Context(), folder) {
			require.NoError(t, err, folder)
			got = append(got, o.Key)
		}
		slices.Sort(got)
		assert.Equal(t, want, got, folder)
	}
	for range s.Folder(t.Context(), "d") {
		break // releases everything
	}
}
