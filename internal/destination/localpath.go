package destination

// LocalPath returns the path that a plain path or a file URL of this host names.
func LocalPath(url string) (path string, ok bool) { return localPath(url) }
