package dir

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake is a folder of names; those with a slash at the end are folders.
type fake struct {
	names []string
	at    int
}

func (f *fake) next() (entry, error) {
	if f.at == len(f.names) {
		return entry{}, io.EOF
	}
	name := []byte(f.names[f.at])
	f.at++
	if name[len(name)-1] == '/' {
		return entry{name[:len(name)-1], kindFolder}, nil
	}
	return entry{name, kindFile}, nil
}

func (f *fake) close() {}

// TestSortedHoldsNoMoreThanItMust: more names than are held at a time come out
// sorted all the same, each once.
func TestSortedHoldsNoMoreThanItMust(t *testing.T) {
	const most = 100
	for _, n := range []int{0, 1, most - 1, most, most + 1, 2 * most, 3*most + 17} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("%x-%d", i*2654435761%(1<<32), i)
			if i%7 == 0 {
				names[i] += "/"
			}
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
		passes := 0
		s := &sorted{most: most, open: func() (entries, error) {
			passes++
			return &fake{names: names}, nil
		}}
		var got []string
		for {
			e, err := s.next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			name := string(e.name)
			if e.kind == kindFolder {
				name += "/"
			}
			got = append(got, name)
			require.LessOrEqual(t, len(s.spans), most)
		}
		require.True(t, slices.IsSorted(got))
		require.Len(t, got, n)
		slices.Sort(names)
		require.True(t, slices.Equal(names, got))
		require.LessOrEqual(t, passes, n/most+1)
	}
}
