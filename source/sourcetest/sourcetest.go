// Package sourcetest proves that a [source.Source] keeps to the rules of its
// port ([Run]), and to those of a [source.Remover] ([RunRemover]), and has a source in memory, with faults on demand, for the
// tests of those who use one ([Memory]).
//
// A driver's test is a few lines:
//
//	func TestConformance(t *testing.T) {
//		sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
//			… // make a store with the files, and a source that reads it
//			return sourcetest.Fixture{Source: src, Write: …, Remove: …}
//		})
//	}
package sourcetest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/unspool-go/unspool/source"
)

// Fixture is a source and a hand on what it reads.
type Fixture struct {
	Source source.Source
	// Write replaces the content under key, or creates it. Whatever marks the
	// source tells contents apart by (version, time) must differ afterwards.
	Write func(key, content string) error
	// Remove deletes what is under key.
	Remove func(key string) error
	// Decoded, when not nil, is what the source makes of a content that is
	// written: that of one which is a [source.Decoder]. It fails for none.
	Decoded func(content string) string
	// Attic, when not nil, makes an empty folder to which a [source.Mover] can move
	// objects without copying them itself.
	Attic func() (Attic, error)
	// Notices says that Wait, of the Changes of a [source.Watcher], returns when
	// something appears.
	Notices bool
}

// Harness makes a source over exactly the given files, by key. It is called
// once for each rule; what it makes is cleaned up with t.Cleanup.
type Harness func(t testing.TB, files map[string]string) Fixture

// Run checks every rule of the port, each in a test of its own. A failure says
// which rule was broken and how.
func Run(t *testing.T, h Harness) {
	t.Helper()
	run(t, h, rules())
}

// run checks some rules.
func run(t *testing.T, h Harness, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			x := newTrial(t, h)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := r.check(ctx, x); err != nil {
				t.Errorf("rule broken: %s\n%v", r.text, err)
			}
		})
	}
}

// rule is one promise of the port.
type rule struct {
	name  string
	text  string
	check func(ctx context.Context, x *trial) error
}

// trial is what a rule is checked on.
type trial struct {
	Fixture
	files   map[string]string // as they are to be read
	written map[string]string // as they are stored
	limit   time.Duration     // to wait for what must happen
}

// limit is generous: a driver that keeps to the rules never waits for it.
const limit = 30 * time.Second

// secret marks contents, so that they are found in errors.
const secret = "payload-that-no-error-may-hold"

// longKey is a file that no source reads at once.
const longKey = "nested/deeper/long.json"

func newTrial(t testing.TB, h Harness) *trial {
	files := map[string]string{
		"a.json":            `{"id":1,"text":"` + secret + `"}`,
		"empty":             "",
		"nested/b.json":     "{\"id\":2}\n",
		"nested/a.json":     `{"id":3}`,
		"with space & +%41": secret + " and more",
		"ünï.json":          "é",
		longKey:             long('x'),
	}
	x := &trial{Fixture: h(t, files), files: files, written: maps.Clone(files), limit: limit}
	for key, content := range files {
		files[key] = x.decoded(content)
	}
	return x
}

// decoded returns what the source makes of a content.
func (x *trial) decoded(content string) string {
	if x.Decoded == nil {
		return content
	}
	return x.Decoded(content)
}

// long returns 1 MiB that start with secret and hold b at every place else,
// changing with the offset so that no range looks like another.
func long(b byte) string {
	buf := make([]byte, 1<<20)
	for i := range buf {
		buf[i] = b + byte(i>>10)%16
	}
	copy(buf, secret)
	return string(buf)
}

func rules() []rule {
	return slices.Concat(listingRules(), changesRules(), openRules(), smallRules())
}
