package s3

// AheadFree is what may still be read ahead, in bytes.
func (s *Source) AheadFree() int64 {
	s.ahead.mu.Lock()
	defer s.ahead.mu.Unlock()
	return s.ahead.free
}

// CopyInParts has objects of more than n bytes copied in parts of as many.
func (s *Source) CopyInParts(n int64) { s.copyLimit, s.copyPart = n, n }
