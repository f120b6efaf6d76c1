// Package importtest holds the test that keeps imports pointing one way and
// the core free of vendor clients. It has no code of its own.
package importtest
