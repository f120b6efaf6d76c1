package claimtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// inputRules are about what calls may be given, how much of it, and how many at
// a time.
var inputRules = []rule{
	{"NothingToDo", "a call with an empty list does nothing", func(h *harness) {
		r, err := h.store.Claim(h.Context(), "a", h.nonce(), nil, long)
		if err != nil || len(r) != 0 {
			h.fail("Claim of nothing: %v, %v", r, err)
		}
		h.ok(h.extend(long), "Extend")
		h.ok(h.complete(), "Complete")
		h.ok(h.release(), "Release")
	}},
	{"HostileKeys", "any non-empty key of at most 1,536 bytes is a key of its own, byte for byte", func(h *harness) {
		results := h.claim("a", long, hostileKeys...)
		for i, r := range results {
			if r.Status != claim.Granted || r.Lease.Key != hostileKeys[i] {
				h.fail("key %.40q: %v, lease of %.40q", hostileKeys[i], r.Status, r.Lease.Key)
			}
		}
		for i, r := range results {
			h.ok(h.extend(long, r.Lease), "Extend")
			h.ok(h.complete(r.Lease), "Complete")
			if i%16 != 0 && i != len(results)-1 {
				continue
			}
			for j, r := range h.claim("b", long, hostileKeys...) {
				want := claim.Held
				if j <= i {
					want = claim.Done
				}
				if r.Status != want {
					h.fail("after Complete of %.40q, %.40q is %v, want %v", hostileKeys[i], hostileKeys[j], r.Status, want)
				}
			}
		}
	}},
	{"EveryByte", "any byte can be a key", func(h *harness) {
		keys := make([]string, min(256, h.opts.Keys))
		for i := range keys {
			keys[i] = string([]byte{byte(i * 256 / len(keys))})
		}
		var leases []claim.Lease
		for i, r := range h.claim("a", long, keys...) {
			if r.Status != claim.Granted || r.Lease.Key != keys[i] {
				h.fail("key %q: %v, lease of %q", keys[i], r.Status, r.Lease.Key)
			}
			if i%2 == 0 {
				leases = append(leases, r.Lease)
			}
		}
		h.ok(h.complete(leases...), "Complete of every second")
		for i, r := range h.claim("b", long, keys...) {
			if want := []claim.Status{claim.Done, claim.Held}[i%2]; r.Status != want {
				h.fail("key %q is %v, want %v", keys[i], r.Status, want)
			}
		}
	}},
	{"EmptyKey", "an empty key fails, by its index and with an error that names it, and no other key with it", func(h *harness) {
		results, err := h.try("a", h.nonce(), long, "k1", "", "k2")
		h.failed(err, "Claim", 1)
		if batch, _ := errors.AsType[*claim.BatchError](err); !strings.Contains(batch.Failed[0].Err.Error(), `""`) {
			h.fail("the error is %q: want the key in it, as %q", batch.Failed[0].Err, `""`)
		}
		if len(results) != 3 || results[0].Status != claim.Granted || results[1].Status != 0 || results[2].Status != claim.Granted {
			h.fail("results are %+v, want the other keys granted", results)
		}
	}},
	{"LongProgress", "progress of 4,096 bytes is kept, byte for byte", func(h *harness) {
		progress := strings.Repeat("\x00\xff\n\"é'", claim.MaxProgressBytes)[:claim.MaxProgressBytes]
		l := h.grant("a", long, "k")
		l.Progress = progress
		h.ok(h.extend(long, l), "Extend")
		h.ok(h.release(claim.Return{Lease: l, Counted: true, Reason: "reason"}), "Release")
		if l = h.grant("b", long, "k"); l.Progress != progress {
			h.fail("progress has %d bytes and is not what was stored", len(l.Progress))
		}
	}},
	{"ManyKeys", "a call takes any number of keys", func(h *harness) {
		keys := manyKeys(h.opts.Keys)
		leases := make([]claim.Lease, len(keys))
		for i, r := range h.claim("a", long, keys...) {
			if r.Status != claim.Granted || r.Lease.Key != keys[i] {
				h.fail("key %d: %v, lease of %q, want %q granted", i, r.Status, r.Lease.Key, keys[i])
			}
			leases[i] = r.Lease
		}
		h.ok(h.extend(long, leases...), "Extend")
		half := len(keys) / 2
		var back []claim.Return
		for _, l := range leases[half:] {
			back = append(back, claim.Return{Lease: l})
		}
		h.ok(h.complete(leases[:half]...), "Complete")
		h.ok(h.release(back...), "Release")
		for i, r := range h.claim("b", long, keys...) {
			want := claim.Done
			if i >= half {
				want = claim.Granted
			}
			if r.Status != want {
				h.fail("key %d: %v, want %v", i, r.Status, want)
			}
		}
	}},
	{"Race", "of all who claim a key at once, exactly one is granted it", checkRace},
	{"EndedContext", "a call whose context has ended returns its error, and does nothing", func(h *harness) {
		ctx := h.cancelled()
		l := h.grant("a", long, "k")
		calls := map[string]func() error{
			"Claim": func() error {
				_, err := h.store.Claim(ctx, "a", h.nonce(), []string{"new"}, long)
				return err
			},
			"Extend":   func() error { return h.store.Extend(ctx, []claim.Lease{l}, time.Nanosecond) },
			"Complete": func() error { return h.store.Complete(ctx, []claim.Lease{l}) },
			"Release":  func() error { return h.store.Release(ctx, []claim.Return{{Lease: l}}) },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, context.Canceled) {
				h.fail("%s: %v, want an error that wraps context.Canceled", name, err)
			}
		}
		h.want(claim.Held, "k", "after all that")
		if l := h.grant("b", long, "new"); l.Attempt != 1 {
			h.fail("attempt is %d, want 1", l.Attempt)
		}
	}},
	{"KeepsNoSlices", "slices belong to the caller again when a call returns", func(h *harness) {
		keys := manyKeys(8) // each call overwrites what it was given
		leases := make([]claim.Lease, len(keys))
		for i, r := range h.claim("a", long, keys...) {
			leases[i] = r.Lease
			leases[i].Progress = "mine"
		}
		h.ok(h.extend(long, leases...), "Extend")
		h.ok(h.complete(leases[:4]...), "Complete")
		var back []claim.Return
		for _, l := range leases[4:] {
			back = append(back, claim.Return{Lease: l, Counted: true, Reason: "mine"})
		}
		h.ok(h.release(back...), "Release")
		for i, r := range h.claim("b", long, keys...) {
			switch {
			case i < 4 && r.Status != claim.Done:
				h.fail("key %q is %v, want done", keys[i], r.Status)
			case i >= 4 && (r.Status != claim.Granted || r.Lease.Key != keys[i] || r.Lease.Progress != "mine"):
				h.fail("key %q is %v with %+v, want granted, with its progress", keys[i], r.Status, r.Lease)
			}
		}
		h.want(claim.Granted, "overwritten", "though nobody ever claimed it")
	}},
}

// hostileKeys are legal keys that a careless store confuses, cuts or refuses.
var hostileKeys = []string{
	" ", "  ", "a", "a ", " a", "A", "a\x00", "a\x00b", "\x00", "a\nb", "a\r\nb", "a\tb",
	"..", ".", "/", "//", "../../etc/passwd", "a/b", "a//b", "a/./b",
	"é", "e\u0301", "\U0001F600", "\ufffe", "\ufeffa", "\xff", "\xff\xfe", "a\xc3", "\u202eabc",
	"{a}", "{a}b", "{b}a", "{", "}", "{}", "}{", "{}a", "a{", "[a-c]", "*", "?", "a\\*", "\n", "\r\n", "a\n", "$3\r\nabc\r\n",
	"a:b", "a*", "a?", "#", "a#b", "a?b=c&d", "a+b", "a b", "%41", "a%00", "'a'", `"a"`, `\`, `a\x00`, "nil", "null", "0", "-1",
	"overwrite", strings.Repeat("x", claim.MaxKeyBytes), strings.Repeat("x", claim.MaxKeyBytes-1) + "y",
	strings.Repeat("\xff", claim.MaxKeyBytes),
}

func manyKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("2026/11/%02d/object-%d.json.gz", i%30+1, i)
	}
	return keys
}

// checkRace lets workers claim all keys in blocks, from different ends, and
// complete what they are granted.
func checkRace(h *harness) {
	keys := manyKeys(h.opts.Keys)
	const size = 100
	var (
		mu     sync.Mutex
		grants = make(map[string]int, len(keys))
		errs   []error
		wg     sync.WaitGroup
	)
	for w := range h.opts.Workers {
		mine := slices.Clone(keys)
		start := w * len(mine) / h.opts.Workers / 4 // overlapping, and out of step
		mine = append(mine[start:], mine[:start]...)
		prefix := h.nonce()
		wg.Go(func() {
			n := 0
			for block := range slices.Chunk(mine, size) {
				n++
				granted, err := claimAndComplete(h, fmt.Sprintf("%s-%d", prefix, n), block)
				mu.Lock()
				for _, key := range granted {
					grants[key]++
				}
				if err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	h.ok(errors.Join(errs...), "a worker")
	for _, key := range keys {
		if grants[key] != 1 {
			h.fail("key %q was granted %d times, want once", key, grants[key])
		}
	}
}

func claimAndComplete(h *harness, nonce string, keys []string) (granted []string, err error) {
	results, err := h.store.Claim(h.Context(), "worker", nonce, keys, long)
	if err != nil {
		return nil, err
	}
	var leases []claim.Lease
	for _, r := range results {
		if r.Status == claim.Granted {
			leases = append(leases, r.Lease)
			granted = append(granted, r.Lease.Key)
		}
	}
	return granted, h.store.Complete(h.Context(), leases)
}
