// Package benchtest measures the whole pipeline beside what it is measured
// against: the reading alone, and what people write by hand. It also holds the
// tests of what the pipeline may allocate and keep in memory. It has no code of
// its own; docs/performance.md says how to run it and what came out.
package benchtest
