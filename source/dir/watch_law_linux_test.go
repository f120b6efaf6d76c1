package dir_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/source/dir"
)

// feeder does to a directory whatever feeders do, and knows what has to be told.
type feeder struct {
	t       *rapid.T
	root    string // its parent is a place outside
	reuse   bool   // names come again
	files   int
	step    int
	open    map[string]*os.File
	since   map[string]int // the step in which a key appeared, for all that are there
	outside []string       // folders that were moved there
}

var folderNames = []string{".", "a", "b", "a/x", "b/x", "a/x/y"}

func (f *feeder) at(key string) string { return filepath.Join(f.root, key) }

// key draws a name for a file, in a folder that is there.
func (f *feeder) key() string {
	folder := rapid.SampledFrom(folderNames).Draw(f.t, "folder")
	f.must(os.MkdirAll(f.at(folder), 0o700))
	f.files++
	n := f.files
	if f.reuse {
		n = rapid.IntRange(0, 3).Draw(f.t, "name")
	}
	return filepath.Join(folder, fmt.Sprint("file", n))
}

func (f *feeder) must(err error) { require.NoError(f.t, err) }

// hidden makes a file under a name that is passed over.
func (f *feeder) hidden() string {
	name := f.at(fmt.Sprint(".hidden", f.step))
	f.must(os.WriteFile(name, []byte("{}"), 0o600))
	return name
}

// appeared notes that key is there, or that all below it are.
func (f *feeder) appeared(key string) {
	f.must(filepath.WalkDir(f.at(key), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && f.open[name] == nil {
			key, _ := filepath.Rel(f.root, name)
			f.since[key] = f.step
		}
		return err
	}))
}

// vanished notes that key is not there any more, nor any below it. Files that
// are written to there are left alone from then on.
func (f *feeder) vanished(key string) {
	maps.DeleteFunc(f.since, func(k string, _ int) bool { return k == key || strings.HasPrefix(k, key+"/") })
	maps.DeleteFunc(f.open, func(name string, file *os.File) bool {
		gone := strings.HasPrefix(name, f.at(key))
		if gone {
			file.Close()
		}
		return gone
	})
}

// act does one thing.
func (f *feeder) act() {
	f.step++
	folder := rapid.SampledFrom(folderNames[1:]).Draw(f.t, "of folders")
	switch rapid.IntRange(0, 8).Draw(f.t, "act") {
	case 0: // written and closed
		key := f.key()
		f.vanished(key)
		f.must(os.WriteFile(f.at(key), []byte("{}"), 0o600))
		f.appeared(key)
	case 1, 2: // renamed into place
		key := f.key()
		f.vanished(key)
		f.must(os.Rename(f.hidden(), f.at(key)))
		f.appeared(key)
	case 3: // linked into place
		key, from := f.key(), f.hidden()
		f.vanished(key)
		f.must(os.RemoveAll(f.at(key)))
		f.must(os.Link(from, f.at(key)))
		f.must(os.Remove(from))
		f.appeared(key)
	case 4: // removed
		key := f.key()
		f.vanished(key)
		f.must(os.RemoveAll(f.at(key)))
	case 5: // a folder renamed
		to := rapid.SampledFrom(folderNames[1:]).Draw(f.t, "to")
		if strings.HasPrefix(to, folder) || os.MkdirAll(filepath.Dir(f.at(to)), 0o700) != nil {
			return
		}
		f.vanished(to)
		f.must(os.RemoveAll(f.at(to)))
		if os.Rename(f.at(folder), f.at(to)) == nil {
			f.vanished(folder)
			f.appeared(to)
		}
	case 6: // a folder moved out
		out := filepath.Join(filepath.Dir(f.root), fmt.Sprint("out", f.step))
		if os.Rename(f.at(folder), out) == nil {
			f.vanished(folder)
			f.outside = append(f.outside, out)
			f.must(os.WriteFile(out+"/outside", nil, 0o600))
		}
	case 7: // a folder moved in
		if len(f.outside) == 0 || os.MkdirAll(filepath.Dir(f.at(folder)), 0o700) != nil {
			return
		}
		f.vanished(folder)
		f.must(os.RemoveAll(f.at(folder)))
		f.must(os.Rename(f.outside[0], f.at(folder)))
		f.outside = f.outside[1:]
		f.appeared(folder)
	case 8: // written to for long
		name := f.at(f.key())
		for name, file := range f.open {
			f.must(file.Close())
			delete(f.open, name)
			key, _ := filepath.Rel(f.root, name)
			f.appeared(key)
		}
		key, _ := filepath.Rel(f.root, name)
		f.vanished(key)
		f.must(os.RemoveAll(name))
		file, err := os.Create(name)
		f.must(err)
		f.open[name] = file
	}
}

// TestWatchLosesNothing whatever feeders do, and however listings end: each file
// that is there in the end was told since it appeared, by a listing that came to
// its end.
func TestWatchLosesNothing(t *testing.T) {
	base := localFolder(t)
	n := 0
	for name, cfg := range map[string]dir.Config{
		"told":   {},
		"polled": {Poll: true},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				n++
				root := filepath.Join(base, fmt.Sprint(n), "root")
				require.NoError(rt, os.MkdirAll(root, 0o700))
				s, err := dir.Open(root, cfg)
				require.NoError(rt, err)
				defer s.Close()
				f := &feeder{t: rt, root: root, reuse: !cfg.Poll, open: map[string]*os.File{}, since: map[string]int{}}
				defer func() {
					for _, file := range f.open {
						file.Close()
					}
				}()
				for range rapid.IntRange(0, 5).Draw(rt, "before") {
					f.act()
				}
				c, err := s.Watch(t.Context())
				require.NoError(rt, err)
				defer c.Close()

				told := map[string]int{} // the step in which a key was listed last
				list := func(all bool, breakAt int, during bool) {
					listed := map[string]int{}
					for o, err := range c.Objects(t.Context(), all) {
						require.NoError(rt, err)
						if len(listed) == breakAt {
							return
						}
						listed[o.Key] = f.step
						if during {
							f.act()
						}
					}
					maps.Copy(told, listed)
				}
				for range rapid.IntRange(1, 20).Draw(rt, "steps") {
					switch rapid.IntRange(0, 5).Draw(rt, "step") {
					case 0:
						list(rapid.IntRange(0, 9).Draw(rt, "all") == 0, -1, rapid.Bool().Draw(rt, "during"))
					case 1:
						list(false, rapid.IntRange(0, 4).Draw(rt, "break at"), false)
					case 2:
						c.Wait(t.Context(), time.Millisecond)
					default:
						f.act()
					}
				}
				missing := func() (keys []string) {
					for key, step := range f.since {
						if at, ok := told[key]; !ok || at < step && f.reuse {
							keys = append(keys, key)
						}
					}
					slices.Sort(keys)
					return keys
				}
				for end := time.Now().Add(30 * time.Second); len(missing()) > 0; c.Wait(t.Context(), time.Millisecond) {
					list(false, -1, false)
					require.True(rt, time.Now().Before(end), "not told: %q", missing())
				}
			})
		})
	}
}
