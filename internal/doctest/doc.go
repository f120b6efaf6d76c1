// Package doctest holds the tests that keep the documents true: links lead
// somewhere, code compiles, commands run, and every line of the README's table
// of failures happens as it says. It has no code of its own.
package doctest
