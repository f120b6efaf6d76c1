package processor

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/source"
)

// progress is how far an object is settled, as stored with its claim. A later
// holder splits on from Offset and leaves out every record that begins in a
// settled span. There may be several spans, because all workers work on a large
// object at once: with a single offset, stopping at a deadline would send
// records twice.
type progress struct {
	Identity    string `json:"v,omitempty"` // of the object's decoded stream
	Fingerprint string `json:"f,omitempty"` // of transform, packing and limits
	Offset      int64  `json:"o"`
	State       string `json:"s,omitempty"` // of the splitter at Offset
	Settled     []span `json:"r,omitempty"` // sorted, disjoint, all beyond Offset
}

// streamIdentity tells the stream of an object from that of any other content
// under its key, and from that of the same content decoded otherwise: offsets of
// one mean nothing in another.
func streamIdentity(o *source.Object) string {
	if o.Encoding == "" {
		return o.Identity()
	}
	return o.Identity() + "+" + o.Encoding
}

// span is the stretch [from, to) of an object's decoded stream.
type span [2]int64

// tidy sorts and joins the settled spans and drops what Offset covers.
func (p *progress) tidy() {
	slices.SortFunc(p.Settled, func(a, b span) int {
		if a[0] != b[0] {
			return int(min(max(a[0]-b[0], -1), 1))
		}
		return int(min(max(a[1]-b[1], -1), 1))
	})
	kept := p.Settled[:0]
	for _, s := range p.Settled {
		s[0] = max(s[0], p.Offset)
		if s[1] <= s[0] {
			continue
		}
		if n := len(kept); n > 0 && s[0] <= kept[n-1][1] {
			kept[n-1][1] = max(kept[n-1][1], s[1])
			continue
		}
		kept = append(kept, s)
	}
	p.Settled = kept
}

// covers reports whether the record at offset is settled.
func (p *progress) covers(offset int64) bool {
	if len(p.Settled) == 0 {
		return false
	}
	i, _ := slices.BinarySearchFunc(p.Settled, offset, func(s span, offset int64) int {
		if s[1] <= offset {
			return -1
		}
		return 1
	})
	return i < len(p.Settled) && p.Settled[i][0] <= offset
}

// settled returns how many bytes are settled.
func (p *progress) settled() int64 {
	n := p.Offset
	for _, s := range p.Settled {
		n += s[1] - s[0]
	}
	return n
}

// empty reports whether nothing is settled.
func (p *progress) empty() bool { return p.Offset == 0 && len(p.Settled) == 0 }

// encode returns the text to be stored, empty if nothing is settled. Spans that
// do not fit are left out, the shortest first: their records will be sent again.
func (p progress) encode() string {
	if p.empty() {
		return ""
	}
	longest := slices.Clone(p.Settled)
	slices.SortFunc(longest, func(a, b span) int { return cmp.Compare(b[1]-b[0], a[1]-a[0]) })
	for {
		text, err := json.Marshal(p)
		if err != nil {
			return ""
		}
		if len(text) <= claim.MaxProgressBytes {
			return string(text)
		}
		if len(p.Settled) == 0 {
			return ""
		}
		n := len(p.Settled)
		p.Settled = slices.Clone(longest[:min(n-1, n*claim.MaxProgressBytes/len(text))])
		p.tidy()
	}
}

// parseProgress reads what encode wrote. Anything else, as well as the progress
// of another fingerprint, is no progress: the object starts again.
func parseProgress(text, fingerprint string) progress {
	if text == "" {
		return progress{}
	}
	var p progress
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Fingerprint != fingerprint || p.Offset < 0 {
		return progress{}
	}
	p.tidy()
	return p
}
