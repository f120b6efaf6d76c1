package sourcetest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// mutant is a Memory with some of it replaced by something broken.
type mutant struct {
	*Memory
	objects func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error]
	open    func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error)
	read    func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error)
	noMore  bool // whatever was added
}

func (x mutant) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	listed := false
	objects := func(yield func(source.Object, error) bool) {
		x.Objects(ctx)(yield)
		listed = true
	}
	return objects, func() bool { return !x.noMore || !listed }
}

func (x mutant) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	if x.objects == nil {
		return x.Memory.Objects(ctx)
	}
	return x.objects(x.Memory, ctx)
}

func (x mutant) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if x.open == nil {
		return x.Memory.Open(ctx, o, off, n)
	}
	return x.open(x.Memory, ctx, o, off, n)
}

func (x mutant) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if x.read == nil {
		return x.Memory.ReadObject(ctx, o, dst, max)
	}
	return x.read(x.Memory, ctx, o, dst, max)
}

// listed makes a mutant of the listing out of what changes each object.
func listed(change func(o source.Object, yield func(source.Object, error) bool) bool) mutant {
	return mutant{objects: func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error] {
		return func(yield func(source.Object, error) bool) {
			for o, err := range m.Objects(ctx) {
				if err != nil {
					yield(o, err)
				} else if !change(o, yield) {
					return
				}
			}
		}
	}}
}

// opened makes a mutant of Open out of what wraps the reader.
func opened(wrap func(ctx context.Context, m *Memory, o source.Object, r io.ReadCloser) io.Reader) mutant {
	return mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
		r, found, err := m.Open(ctx, o, off, n)
		if err != nil {
			return nil, found, err
		}
		return struct {
			io.Reader
			io.Closer
		}{wrap(ctx, m, found, r), r}, found, nil
	}}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestBrokenSourcesBreakTheirRule: each broken source fails the check of the
// rule that it breaks.
func TestBrokenSourcesBreakTheirRule(t *testing.T) {
	stop := make(chan struct{})
	var leaked sync.WaitGroup
	t.Cleanup(func() { close(stop); leaked.Wait() })
	kept := map[string][]byte{}
	var mu sync.Mutex
	checks := map[string]func(context.Context, *trial) error{}
	for _, r := range slices.Concat(listingRules(), openRules(), smallRules()) {
		checks[r.name] = r.check
	}
	unproven := maps.Clone(checks)

	for name, c := range map[string]struct {
		rule   string
		broken mutant
	}{
		"leaves one out": {"ListsEverythingOnce", listed(func(o source.Object, yield func(source.Object, error) bool) bool {
			return o.Key == "a.json" || yield(o, nil)
		})},
		"lists one twice": {"ListsEverythingOnce", listed(func(o source.Object, yield func(source.Object, error) bool) bool {
			return yield(o, nil) && (o.Key != "a.json" || yield(o, nil))
		})},
		"absolute keys": {"KeyShape", listed(func(o source.Object, yield func(source.Object, error) bool) bool {
			o.Key = "/" + o.Key
			return yield(o, nil)
		})},
		"wrong sizes": {"ListingIsTrue", listed(func(o source.Object, yield func(source.Object, error) bool) bool {
			o.Size++
			return yield(o, nil)
		})},
		"local times taken for UTC": {"ListingIsTrue", listed(func(o source.Object, yield func(source.Object, error) bool) bool {
			o.ModTime = o.ModTime.Add(time.Hour)
			return yield(o, nil)
		})},
		"sees nothing new": {"TellsWhetherThereIsMore", mutant{noMore: true}},
		"remembers its listing": {"ListsAnew", mutant{objects: func() func(*Memory, context.Context) iter.Seq2[source.Object, error] {
			var all []source.Object
			return func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error] {
				return func(yield func(source.Object, error) bool) {
					if all == nil {
						for o := range m.Objects(ctx) {
							all = append(all, o)
						}
					}
					for _, o := range all {
						if !yield(o, nil) {
							return
						}
					}
				}
			}
		}()}},
		"leaks after a break": {"BreakReleases", mutant{objects: func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error] {
			return func(yield func(source.Object, error) bool) {
				objects := make(chan source.Object)
				leaked.Go(func() {
					defer close(objects)
					for o := range m.Objects(context.WithoutCancel(ctx)) {
						select {
						case objects <- o:
						case <-stop:
							return
						}
					}
				})
				for o := range objects {
					if !yield(o, nil) {
						return
					}
				}
			}
		}}},
		"ignores the context while listing": {"EndOfContextIsLast", mutant{objects: func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error] {
			return m.Objects(context.WithoutCancel(ctx))
		}}},
		"ends without an error": {"EndOfContextIsLast", mutant{objects: func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error] {
			return func(yield func(source.Object, error) bool) {
				for o, err := range m.Objects(ctx) {
					if err != nil || !yield(o, nil) {
						return
					}
				}
			}
		}}},
		"goes on after an error": {"EndOfContextIsLast", mutant{objects: func(m *Memory, ctx context.Context) iter.Seq2[source.Object, error] {
			return func(yield func(source.Object, error) bool) {
				for o, err := range m.Objects(ctx) {
					if !yield(o, err) || err != nil && !yield(source.Object{Key: "more"}, nil) {
						return
					}
				}
			}
		}}},
		"cut short looks like the end": {"OpenReadsAll", opened(func(_ context.Context, _ *Memory, o source.Object, r io.ReadCloser) io.Reader {
			return io.LimitReader(r, max(o.Size-1, 0))
		})},
		"finds another key": {"OpenTellsWhatItFound", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			found.Key = strings.ToUpper(found.Key)
			return r, found, err
		}}},
		"knows nothing of what it opened": {"OpenTellsWhatItFound", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			return r, source.Object{Key: found.Key, Size: -1}, err
		}}},
		"ignores offsets": {"OpenRange", mutant{open: func(m *Memory, ctx context.Context, o source.Object, _, n int64) (io.ReadCloser, source.Object, error) {
			return m.Open(ctx, o, 0, n)
		}}},
		"ignores lengths": {"OpenRange", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, _ int64) (io.ReadCloser, source.Object, error) {
			return m.Open(ctx, o, off, -1)
		}}},
		"gone is another error": {"Gone", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			if errors.Is(err, fs.ErrNotExist) {
				err = errors.New("status 404 of " + o.Key)
			}
			return r, found, err
		}}},
		"takes what is there now": {"Changed", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			return m.Open(ctx, source.Object{Key: o.Key, Size: -1}, off, n)
		}}},
		"compares only sizes": {"Changed", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			return m.Open(ctx, source.Object{Key: o.Key, Size: o.Size}, off, n)
		}}},
		"mixes two versions": {"ChangedWhileRead", opened(func(ctx context.Context, m *Memory, o source.Object, _ io.ReadCloser) io.Reader {
			var at int64
			return readerFunc(func(p []byte) (int, error) {
				if err := ctx.Err(); err != nil {
					return 0, err
				}
				r, found, err := m.Open(ctx, source.Object{Key: o.Key, Size: -1}, at, -1)
				if err != nil || at >= found.Size {
					return 0, io.EOF
				}
				n, err := r.Read(p)
				at += int64(n)
				return n, err
			})
		})},
		"ignores the context while reading": {"ContextGovernsRead", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			if err := ctx.Err(); err != nil {
				return nil, o, err
			}
			return m.Open(context.WithoutCancel(ctx), o, off, n)
		}}},
		"the end of the context looks like the end": {"ContextGovernsRead", opened(func(_ context.Context, _ *Memory, _ source.Object, r io.ReadCloser) io.Reader {
			return readerFunc(func(p []byte) (int, error) {
				n, err := r.Read(p)
				if errors.Is(err, context.Canceled) {
					err = io.EOF
				}
				return n, err
			})
		})},
		"one reader for all": {"ConcurrentOpen", opened(func() func(context.Context, *Memory, source.Object, io.ReadCloser) io.Reader {
			current := io.Reader(nil)
			return func(_ context.Context, _ *Memory, _ source.Object, r io.ReadCloser) io.Reader {
				mu.Lock()
				current = r
				mu.Unlock()
				return readerFunc(func(p []byte) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					return current.Read(p)
				})
			}
		}())},
		"cannot be closed early": {"ReadersCloseEarly", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			if err != nil {
				return nil, found, err
			}
			return failingCloser{r}, found, nil
		}}},
		"anonymous errors": {"ErrorsNameTheObject", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			if err != nil {
				err = errors.New("something went wrong")
			}
			return r, found, err
		}}},
		"payload in errors": {"ErrorsNameTheObject", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			if err != nil {
				err = errors.New("unexpected content in " + o.Key + ": " + secret)
			}
			return r, found, err
		}}},
		"calls it corrupt": {"ErrorsNameTheObject", mutant{open: func(m *Memory, ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
			r, found, err := m.Open(ctx, o, off, n)
			return r, found, fault.Corrupt(err)
		}}},
		"overwrites instead of appending": {"ReadObjectEqualsOpen", mutant{read: func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
			return m.ReadObject(ctx, o, dst[:0], max)
		}}},
		"allocates always": {"ReadObjectUsesRoom", mutant{read: func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
			out, found, err := m.ReadObject(ctx, o, nil, max)
			if err != nil {
				return dst, found, err
			}
			return slices.Concat(dst, out), found, nil
		}}},
		"off by one": {"ReadObjectTooLarge", mutant{read: func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
			return m.ReadObject(ctx, o, dst, max+1)
		}}},
		"half an object with the error": {"ReadObjectTooLarge", mutant{read: func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
			out, found, err := m.ReadObject(ctx, o, dst, max)
			if err != nil {
				out = append(out, "half"...)
			}
			return out, found, err
		}}},
		"reads what is there now": {"ReadObjectFails", mutant{read: func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
			return m.ReadObject(ctx, source.Object{Key: o.Key, Size: -1}, dst, max)
		}}},
		"keeps what it read": {"ReadObjectKeepsNothing", mutant{read: func(m *Memory, ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
			mu.Lock()
			defer mu.Unlock()
			if data := kept[o.Key]; data != nil {
				return append(dst, data...), o, nil
			}
			out, found, err := m.ReadObject(ctx, o, dst, max)
			if err == nil {
				kept[o.Key] = out[len(dst):]
			}
			return out, found, err
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			harness := func(_ testing.TB, files map[string]string) Fixture {
				broken := c.broken
				broken.Memory = NewMemory(files)
				fixture := memoryFixture(broken.Memory)
				fixture.Source = broken
				return fixture
			}
			require.Contains(t, checks, c.rule)
			assert.Error(t, checks[c.rule](t.Context(), newTrial(t, harness)), "the check of %s takes it", c.rule)
		})
		delete(unproven, c.rule)
	}
	assert.Empty(t, slices.Collect(maps.Keys(unproven)), "no broken source was ever caught by these checks")
}

type failingCloser struct{ io.ReadCloser }

func (failingCloser) Close() error { return errors.New("unread data") }
