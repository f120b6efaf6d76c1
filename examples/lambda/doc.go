// Package lambda has no code: it tests the functions in its folders as they are
// deployed, and template.yaml, which deploys them. docs/deploy.md says how.
package lambda
