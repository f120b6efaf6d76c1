package disk

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func makeSegment(t testing.TB, dir string, id uint64, pairs sorted) *segment {
	t.Helper()
	pairs.sort()
	w, err := createSegment(fileName(dir, id, segmentExt), len(pairs))
	require.NoError(t, err)
	for _, p := range pairs {
		w.add([]byte(p.key), p.finish)
	}
	require.NoError(t, w.finish())
	s, err := openSegment(dir, segmentInfo{ID: id})
	require.NoError(t, err)
	return s
}

// Keys of few letters share much and are close to each other.
var closeKeys = rapid.OneOf(rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00")), 1, 12, -1), rapid.StringN(1, 40, 200))

func TestASegmentHoldsExactlyItsKeys(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		m := newMemtable()
		for i, key := range rapid.SliceOfN(closeKeys, 0, 400).Draw(rt, "keys") {
			m.set(key, finish{grant: uint64(i) * 7919 << 20, at: int64(i * 31 % 17)})
		}
		s := makeSegment(t, dir, 1, slices.Clone(m.pairs))
		defer s.release()
		v := view{shape{segments: []*segment{s}}}
		fi := &finder{at: make(map[uint64]*place)}
		probes := rapid.SliceOfN(closeKeys, 0, 50).Draw(rt, "probes")
		for key := range m.index { // in no order
			probes = append(probes, key, key+"\x00", key[:len(key)-1]+"b")
		}
		for _, key := range slices.Concat(probes, slices.Sorted(slices.Values(probes))) {
			want, wantFound := m.get(key)
			got, found, err := fi.find(v, key)
			if err != nil || found != wantFound || got != want {
				rt.Fatalf("find %q: %+v, %v, %v, want %+v, %v", key, got, found, err, want, wantFound)
			}
		}
		pairs := slices.Clone(m.pairs)
		pairs.sort()
		c := cursor{seg: s}
		for _, p := range pairs {
			ok, err := c.advance()
			if !ok || err != nil || string(c.key) != p.key || c.value != p.finish {
				rt.Fatalf("cursor at %q %+v, %v, %v, want %q %+v", c.key, c.value, ok, err, p.key, p.finish)
			}
		}
		if ok, err := c.advance(); ok || err != nil {
			rt.Fatalf("cursor goes on after the last key: %v, %v", ok, err)
		}
	})
}

func TestTheYoungestOfMergedRunsIsRight(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		want := make(map[string]finish)
		var runs []run
		n := rapid.IntRange(0, 6).Draw(rt, "runs")
		for i := range n {
			m := newMemtable()
			for _, key := range rapid.SliceOfN(closeKeys, 0, 30).Draw(rt, "keys") {
				f := finish{grant: uint64(i), at: int64(len(key))}
				m.set(key, f)
				want[key] = f
			}
			pairs := slices.Clone(m.pairs)
			if i%2 == 0 {
				s := makeSegment(t, dir, uint64(i), pairs)
				defer s.release()
				runs = append(runs, &cursor{seg: s})
			} else {
				pairs.sort()
				runs = append(runs, &tableRun{rest: pairs})
			}
		}
		m, err := newMerger(runs)
		if err != nil {
			rt.Fatal(err)
		}
		last := ""
		for {
			key, f, err := m.next()
			if err != nil {
				rt.Fatal(err)
			}
			if key == nil {
				break
			}
			if string(key) <= last || want[string(key)] != f {
				rt.Fatalf("%q %+v after %q, want %+v", key, f, last, want[string(key)])
			}
			last = string(key)
			delete(want, last)
		}
		if len(want) > 0 {
			rt.Fatalf("%d keys are missing", len(want))
		}
	})
}

func TestTheFilterIsRarelyWrong(t *testing.T) {
	const n = 100_000
	memory, err := allocate(filterBytes(n))
	require.NoError(t, err)
	defer free(memory)
	f := filter(memory)
	for i := range n {
		f.add(hashKey(fmt.Sprintf("2026/11/object-%08d.json", i)))
	}
	for i := range n {
		require.True(t, f.mayHold(hashKey(fmt.Sprintf("2026/11/object-%08d.json", i))))
	}
	wrong := 0
	for i := range n {
		if f.mayHold(hashKey(fmt.Sprintf("2026/11/object-%08d.json", n+i))) {
			wrong++
		}
	}
	require.Less(t, wrong, n*2/100)
	require.InDelta(t, n*filterBitsPerKey/8, len(f), filterLine)
}

// The hash is part of the file format.
func TestTheHashStaysWhatItIs(t *testing.T) {
	for key, want := range map[string]uint64{
		"":                                 0x0,
		"a":                                0xb2cd0ecfcb733e80,
		"abcdefgh":                         0x507da34e9ff30e03,
		"2026/11/21/object-000000001.json": 0x3c4d3b2c29d8d380,
		"\x00\xff":                         0x935386edb99a2fb7,
	} {
		require.Equal(t, want, hashKey(key), "%q", key)
	}
	require.NotEqual(t, hashKey("a"), hashKey("a\x00"))
	require.Equal(t, hashKey("abcdefghijk"), hashKey([]byte("abcdefghijk")))
}

func TestOpenSegmentRefusesWhatIsNone(t *testing.T) {
	dir := t.TempDir()
	s := makeSegment(t, dir, 1, sorted{{"k", finish{1, 1}}})
	s.release()
	image := files(t, dir)
	name := filepath.Base(fileName(dir, 1, segmentExt))
	whole := image[name]
	for size := range whole {
		image[name] = whole[:size]
		_, err := openSegment(restore(t, image), segmentInfo{ID: 1})
		require.ErrorIs(t, err, ErrCorrupt, "cut to %d bytes", size)
	}
}
