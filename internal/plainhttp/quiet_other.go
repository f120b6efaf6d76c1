//go:build !unix

package plainhttp

// nothingOn would tell whether there is something to be read from a socket. Where
// that cannot be asked without waiting, each request has a connection of its own.
func nothingOn(uintptr) bool { return false }
