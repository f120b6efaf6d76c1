package source

// PollAtMost is Poll that remembers n objects.
func PollAtMost(src Source, n int) Changes {
	p := Poll(src).(*poll)
	p.most = n
	return p
}
