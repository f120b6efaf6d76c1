// Package leftout spares whoever lists a source again and again the folders in
// which nothing was left.
package leftout

// most is how many folders are remembered. Those beyond are listed each time.
const most = 1 << 16

// Set are folders, by their keys with a slash at the end, in which a listing
// found nothing and nothing more is expected. A nil Set holds none. It belongs to
// one goroutine at a time.
type Set struct {
	past    func(folder string) bool
	folders map[string]struct{}
}

// New returns an empty set of folders of which past, given a key without a slash
// at the end, says that nothing more is expected. It is nil where past is.
func New(past func(folder string) bool) *Set {
	if past == nil {
		return nil
	}
	return &Set{past: past, folders: map[string]struct{}{}}
}

// Holds reports whether a folder can be left out.
func (s *Set) Holds(prefix string) bool {
	if s == nil {
		return false
	}
	_, ok := s.folders[prefix]
	return ok
}

// Empty notes that a listing found nothing in a folder, but folders that are not
// listed either. So the set climbs: once all days of a month are in it the next
// listing finds the month empty.
func (s *Set) Empty(prefix string) {
	if s != nil && prefix != "" && len(s.folders) < most && s.past(prefix[:len(prefix)-1]) {
		s.folders[prefix] = struct{}{}
	}
}

// Clear takes everything out, before all is listed.
func (s *Set) Clear() {
	if s != nil {
		clear(s.folders)
	}
}
