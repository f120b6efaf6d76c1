package processortest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// expected is what the generated objects hold.
type expected struct {
	objects int
	good    []string // ids of records
	broken  []string // texts that must be found in what is corrupt
}

// object is one in the making.
type object struct {
	key    string
	rand   *rand.Rand
	expect *expected
	n      int
}

// record is a good record of about size bytes.
func (o *object) record(size int) string {
	id := fmt.Sprintf("%s/%d", o.key, o.n)
	o.n++
	o.expect.good = append(o.expect.good, id)
	return fmt.Sprintf(`{"id":%q,"pad":%q}`, id, strings.Repeat("é", o.rand.IntN(size)))
}

func (o *object) records(n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = o.record(size)
	}
	return list
}

const markPrefix = "broken "

// mark is a text by which something broken is found again.
func (o *object) mark() string {
	o.n++
	mark := fmt.Sprintf("%s%s/%d.", markPrefix, o.key, o.n)
	o.expect.broken = append(o.expect.broken, mark)
	return mark
}

// kinds are the kinds of objects there are.
var kinds = []func(o *object) string{
	func(*object) string { return "" },
	func(o *object) string { return o.record(2000) },
	func(o *object) string { return strings.Join(o.records(20, 500), "\n") + "\n" },
	func(o *object) string { return strings.Join(o.records(20, 500), " ") },
	func(o *object) string { return "[" + strings.Join(o.records(30, 500), ",\n") + "]" },
	func(o *object) string { return "\n \n" + strings.Join(o.records(3, 100), "\r\n\r\n") },
	func(o *object) string { // larger than what is read at once
		return strings.Join(o.records(600, 1000), "\n")
	},
	func(o *object) string { return "[" + strings.Join(o.records(300, 2000), ",") + "]\n" },
	func(o *object) string { return strings.Join(o.records(30, 20_000), "\n") },
	func(o *object) string { // a broken line among good ones
		return o.record(100) + "\n{\"id\":\"" + o.mark() + "\",,}\n" + o.record(100)
	},
	func(o *object) string { return `[` + o.record(50) + `,{"` + o.mark() + `":tru},` + o.record(50) + `]` },
	func(o *object) string { return o.record(50) + "\n" + `{"id":"` + o.mark() + `","cut":[1,2` },
	func(o *object) string { return "\x00\xff" + o.mark() + "\x00\xfe" },
	func(o *object) string { return strings.Repeat("[", 20_000) + o.mark() },
	func(o *object) string { // a line over the limit, that is never in memory as a whole
		return o.record(50) + "\n{\"id\":\"" + o.mark() + strings.Repeat("x", 2*recordBytes) + "\",,}\n" + o.record(50)
	},
}

// lineKinds are kinds of objects in which each line is a record.
var lineKinds = []func(o *object) string{
	kinds[0], kinds[1], kinds[2], kinds[5], kinds[6], kinds[8], kinds[9],
	func(o *object) string { // broken and blank lines in all parts of a large object
		var lines []string
		for range 100 {
			lines = append(lines, o.records(o.rand.IntN(20), 1000)...)
			lines = append(lines, "  ", `{"id":"`+o.mark()+`",`, `"`+o.mark()+`"}`, "")
		}
		return strings.Join(lines, "\r\n")
	},
	kinds[len(kinds)-1],
}

// recordBytes is the limit of a record in Config.
const recordBytes = 1 << 20

// generate puts objects of all kinds into a source.
func generate(src *Source, r *rand.Rand, kinds []func(o *object) string) expected {
	var e expected
	for i := range 2 * len(kinds) {
		kind := i % len(kinds)
		if kind == len(kinds)-1 && i > len(kinds) {
			continue // one of that size is enough
		}
		o := &object{key: fmt.Sprintf("%d/object %d.json", i%4, i), rand: r, expect: &e}
		src.Put(o.key, []byte(kinds[kind](o)))
		e.objects++
	}
	return e
}
