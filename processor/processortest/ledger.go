package processortest

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
)

// totals are the sums over all responses.
type totals struct {
	mu                                           sync.Mutex
	delivered, dropped, retried, corrupt, failed int64
}

func (t *totals) add(r *processor.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delivered += r.Delivered
	t.dropped += r.Dropped
	t.retried += r.RetryErrors
	t.corrupt += r.CorruptionErrors
	t.failed += r.FailedErrors
}

// fates says how often something must be found where.
type fates struct {
	sent, corrupt, failed map[string]int
	dropped, records      int64
	parted                int64 // records that have several outputs, or a remainder
}

// expected returns what must have become of the generated objects.
func (h *Harness) expected() fates {
	f := fates{sent: map[string]int{}, corrupt: map[string]int{}, failed: map[string]int{}}
	send := func(id string) {
		if h.poisons && poisonous(id) {
			f.failed[id]++
		} else {
			f.sent[id]++
		}
	}
	for _, id := range h.expect.good {
		v := pass
		if h.verdicts {
			v = verdictOf(id)
		}
		switch v {
		case drop:
			f.dropped++
		case corrupt:
			f.corrupt[id]++
		case two:
			f.parted++
			send(id)
			send(id + second)
		case partial:
			f.parted++
			send(id)
			h.partialRest(id, &f, send)
		default:
			send(id)
		}
	}
	for _, mark := range h.expect.broken {
		f.corrupt[mark]++
	}
	f.records = int64(len(h.expect.good) + len(h.expect.broken))
	return f
}

// partialRest adds what becomes of a remainder, which gets a verdict of its own.
func (h *Harness) partialRest(id string, f *fates, send func(string)) {
	id += rest
	switch verdictOf(id) {
	case drop:
		f.dropped++
	case corrupt:
		f.corrupt[id]++
	case two:
		f.parted++
		send(id)
		send(id + second)
	case partial:
		f.parted++
		send(id)
		h.partialRest(id, f, send)
	default:
		send(id)
	}
}

// check compares what is found with what must be.
func (h *Harness) check(cfg processor.Config, t *totals) {
	h.t.Helper()
	want := h.expected()
	sent := map[string]int{}
	for _, body := range h.Received() {
		for _, id := range IDs(body) {
			sent[id]++
		}
	}
	h.compare("the sink", want.sent, sent)
	h.compare("the corruption destination", want.corrupt, h.count(want.corrupt, h.found(cfg.CorruptionURL)))
	h.compare("the failed destination", want.failed, h.count(want.failed, h.found(cfg.FailedURL)))
	if h.Storm {
		return
	}
	// A record of which two parts went to the retry destination settles there as
	// two, or was counted when its first part was.
	settled := t.delivered + t.dropped + t.corrupt + t.failed
	if settled < want.records || settled > want.records+want.parted {
		h.broken("accounting", "the objects hold %d records, the responses settled %d", want.records, settled)
	}
	if h.verdicts && t.dropped != want.dropped {
		h.broken("accounting", "%d records were dropped, the responses counted %d", want.dropped, t.dropped)
	}
}

// compare looks for each id as often as it must be found.
func (h *Harness) compare(where string, want, got map[string]int) {
	h.t.Helper()
	var lost, twice, strange []string
	for id, n := range want {
		switch {
		case got[id] < n:
			lost = append(lost, id)
		case got[id] > n && !h.Storm && !h.parted(id):
			twice = append(twice, id)
		}
	}
	for id := range got {
		if want[id] == 0 {
			strange = append(strange, id)
		}
	}
	if len(lost) > 0 {
		h.broken("accounting", "%d records are not in %s, and nowhere else: %s", len(lost), where, some(lost))
	}
	if len(twice) > 0 {
		h.broken("once", "%d records are in %s more than once: %s", len(twice), where, some(twice))
	}
	if len(strange) > 0 {
		h.broken("accounting", "%d records should not be in %s: %s", len(strange), where, some(strange))
	}
}

// parted reports whether id is that of an output of a record with several. Such a
// record has one fate: if only some of its outputs were accepted before it had
// to be given back, all of them come again.
func (h *Harness) parted(id string) bool {
	id = strings.TrimSuffix(id, second)
	return h.verdicts && (verdictOf(id) == two || verdictOf(id) == partial)
}

func some(ids []string) string {
	slices.Sort(ids)
	return strings.Join(ids[:min(3, len(ids))], ", ")
}

// count counts the records in which each wanted id or mark stands; others count
// by their id, or as the object they come from.
func (h *Harness) count(want map[string]int, found []destination.Envelope) map[string]int {
	counts := map[string]int{}
	for _, e := range found {
		name := e.Object
		if ids := IDs(e.Data); len(ids) > 0 {
			name = ids[0]
		}
		if want[name] == 0 {
			for mark := range want {
				if strings.HasPrefix(mark, markPrefix) && bytes.Contains(e.Data, []byte(mark)) {
					name = mark
				}
			}
		}
		counts[name]++
	}
	return counts
}

// found reads a destination.
func (h *Harness) found(url string) []destination.Envelope {
	h.t.Helper()
	ctx := context.Background()
	var list []destination.Envelope
	store, err := destination.Open(destination.Config{URL: url})
	if err != nil {
		h.t.Fatal(err)
	}
	for part, err := range store.List(ctx) {
		if err != nil {
			h.t.Fatal(err)
		}
		body, err := store.Open(ctx, part.Name)
		if err != nil {
			h.t.Fatal(err)
		}
		for e, err := range destination.ReadEnvelopes(body, 64<<20) {
			if err != nil {
				h.t.Fatal(errors.Join(err, body.Close()))
			}
			e.Data = bytes.Clone(e.Data)
			list = append(list, e)
		}
		if err := body.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
	return list
}

// goroutines returns the stacks of all goroutines by their number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	all := map[string]string{}
	for text := range strings.SplitSeq(string(buf), "\n\n") {
		name, _, _ := strings.Cut(text, " [")
		all[name] = text
	}
	return all
}

// leaked returns the stacks of goroutines that run code of the processor and
// did not exist before.
func leaked(before map[string]string) []string {
	var list []string
	for name, text := range goroutines() {
		if _, ok := before[name]; !ok && strings.Contains(text, "/processor.(*") {
			list = append(list, text)
		}
	}
	return list
}
