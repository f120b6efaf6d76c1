package dir

import "github.com/unspool-go/unspool/internal/leftout"

// view is what the Changes of a source add to its listings.
type view struct {
	unsettled *unsettled
	told      map[string]string         // folders that could not be listed, and why, as was reported
	observe   func(prefix string) error // if not nil, called before a folder is read
	left      *leftout.Set              // folders that need not be polled; nil where all are listed
}

// maxTold is how many folders that could not be listed are remembered. Those
// beyond are reported by every listing.
const maxTold = 1 << 10

func (s *Source) newView() *view {
	return &view{
		unsettled: newUnsettled(s.cfg.Settle, s.cfg.MinAge, s.files.inspect),
		told:      map[string]string{},
	}
}

// enter is called before the folder is read whose key, with a slash at the end,
// is prefix.
func (v *view) enter(prefix string) error {
	if v == nil || v.observe == nil {
		return nil
	}
	return v.observe(prefix)
}

// leavesOut reports whether a folder need not be listed now.
func (v *view) leavesOut(prefix string) bool { return v != nil && v.left.Holds(prefix) }

// empty notes that a folder was listed, and nothing was in it.
func (v *view) empty(prefix string) {
	if v != nil {
		v.left.Empty(prefix)
	}
}

// knows reports whether it was said already that a folder cannot be listed. It
// is said once: a folder that nobody may read must not make a failure of every
// listing.
func (v *view) knows(prefix string, err error) bool {
	return v != nil && v.told[prefix] == err.Error()
}

// tell notes that it was said that a folder cannot be listed.
func (v *view) tell(prefix string, err error) {
	if v != nil && len(v.told) < maxTold {
		v.told[prefix] = err.Error()
	}
}

// listed notes that a folder was listed.
func (v *view) listed(prefix string) {
	if v != nil && len(v.told) > 0 {
		delete(v.told, prefix)
	}
}
