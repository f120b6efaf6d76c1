package dir_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source/dir"
)

// A folder that grows old while it is observed is let go by the next listing of
// everything, with all that is in it.
func TestAFolderThatGrowsOldIsNoLongerObserved(t *testing.T) {
	root := t.TempDir()
	for _, key := range []string{"a/b/1", "a/c/2", "d/3"} {
		write(t, root, key, "{}")
	}
	skipped := ""
	s := open(t, root, dir.Config{Settle: -1, SkipFolder: func(folder string) bool { return folder == skipped }})
	o := watch(t, s)
	require.True(t, dir.IsLive(o.Changes))
	require.Equal(t, []string{"", "a/", "a/b/", "a/c/", "d/"}, dir.Observed(o.Changes))
	skipped = "a"
	require.Equal(t, []string{"d/3"}, o.all())
	for end := time.Now().Add(30 * time.Second); len(dir.Observed(o.Changes)) > 2; o.mark(root) {
		require.True(t, time.Now().Before(end))
	}
	require.Equal(t, []string{"", "d/"}, dir.Observed(o.Changes))
	place(t, root, "a/b/4")
	place(t, root, "d/5")
	o.wait("d/5")
	o.mark(root)
	require.NotContains(t, o.seen, "a/b/4")
}
