package dir

// arrival is a name to be listed: of a file, or with a slash at its end of a
// folder with all that is in it.
type arrival struct {
	key  string
	seen *sighting // nil if its writer has closed it
}

// sighting returns what is known of the file.
func (a arrival) sighting() *sighting {
	if a.seen != nil {
		return a.seen
	}
	return &sighting{closed: true}
}

// arrivals are names in the order in which they arrived, each once, in bounded
// memory. The zero value has room for none.
type arrivals struct {
	most  int // bytes
	keys  []string
	known map[string]struct{}
	bytes int
}

const (
	// maxArrivals is the most memory that names take until they are listed, in
	// bytes: it is enough for some sixty thousand of usual length.
	maxArrivals = 8 << 20
	// arrivalBytes is about what a name takes besides its bytes.
	arrivalBytes = 96
)

// add notes a name, and reports false if there is no room for it. It does not
// keep key.
func (a *arrivals) add(key []byte) bool {
	if _, ok := a.known[string(key)]; ok {
		return true
	}
	if a.bytes += len(key) + arrivalBytes; a.bytes > a.most {
		return false
	}
	if a.known == nil {
		a.known = map[string]struct{}{}
	}
	kept := string(key)
	a.keys = append(a.keys, kept)
	a.known[kept] = struct{}{}
	return true
}

// take takes the names out.
func (a *arrivals) take() []string {
	keys := a.keys
	a.keys, a.known, a.bytes = nil, nil, 0
	return keys
}
