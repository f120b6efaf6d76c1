//go:build !unix

package dir

const nonBlock = 0
