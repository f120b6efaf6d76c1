package jsonscan

// Names is a set of member names, or rather of what tells them from most
// others: bits that depend on a name's length and first byte.
type Names uint64

// Add adds name to the set.
func (n *Names) Add(name string) {
	first := byte('"') // what stands there if the name is empty
	if name != "" {
		first = name[0]
	}
	*n |= 1 << nameBit(first, len(name))
}

// may reports whether a name of the given length and first byte, or what
// follows it if it is empty, may be in the set.
func (n Names) may(first byte, length int) bool {
	return n>>nameBit(first, length)&1 != 0
}

func nameBit(first byte, length int) uint {
	return (uint(first) + 5*uint(length)) & 63
}

// Member is what [FirstMember] and [NextMember] found.
type Member struct {
	// Name is the member's name as it stands in data, with its escapes. It is
	// nil if there is no further member.
	Name []byte
	// Escaped says that there are escapes in Name.
	Escaped bool
	// End is where the member's value starts, or if there is no further
	// member, the index after the object.
	End int
	// ValidUTF8 says that what was passed over is valid UTF-8.
	ValidUTF8 bool
}

// FirstMember goes into the object that starts at data[i], which may nest as
// deep as maxDepth, and stops at the value of the first member whose name may
// be among those wanted: each whose name is, some others, and each whose name
// has escapes. What it passes over it validates, and its errors are, as those
// of [Value]. The member's value is left to the caller.
func FirstMember(data []byte, i, maxDepth int, wanted Names) (Member, error) {
	return value(data, i, min(maxDepth, MaxDepth), 1, wanted)
}

// NextMember is [FirstMember] for what follows in the object on the value of a
// member, which ends before data[i].
func NextMember(data []byte, i, maxDepth int, wanted Names) (Member, error) {
	return value(data, i, min(maxDepth, MaxDepth), inObject, wanted)
}
