package processor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// identityScene is a scene with the same objects and an empty claim store and sink.
func identityScene(t *testing.T, perObject bool) *scene {
	s := newSceneWith(t, sink.Limits{BatchMessages: 10, MessageBytes: 100_000, BatchBytes: 200_000})
	s.cfg.RecordID, s.cfg.Pack.PerObject = "_id", perObject
	s.cfg.Pack.TargetBytes, s.cfg.Pack.FrameBytes = 1000, 20_000
	s.put("one", 1, 10)
	for i := range 10 {
		s.put(fmt.Sprint("small", i), 1+i*7, 50)
	}
	s.put("middle", 500, 400)
	s.put("large", sized(6000, 4000), 100)
	s.put("wide", sized(20, 8), 40_000)
	s.src.Put("array", []byte("[\n"+strings.Join(array("array", 3000), ",\n")+"\n]"))
	for i := range 3000 {
		s.loaded[fmt.Sprintf("array/%d", i)] = true
	}
	return s
}

func array(key string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"id":"%s/%d","n":[%d,{}]}`, key, i, i)
	}
	return list
}

// recordIDs maps the id of each record sent to the identity that was added.
func (s *scene) recordIDs() map[string]string {
	ids := map[string]string{}
	for _, m := range s.out.Messages() {
		for _, v := range gjson.ParseBytes(m.Body).Array() {
			id, identity := v.Get("id").String(), v.Get("_id").String()
			if old, ok := ids[id]; ok && old != identity {
				s.t.Errorf("record %s was sent as %s and as %s", id, old, identity)
			}
			ids[id] = identity
		}
	}
	return ids
}

// A record's identity is the same in every pass, whatever the packing, the
// workers and the chunks in which it is read; and no two records share one.
func TestIdentityOfRecords(t *testing.T) {
	var want map[string]string
	for i := range 6 {
		s := identityScene(t, i%2 == 0)
		s.cfg.Concurrency = 1 + i%3
		s.cfg.Pack.TargetBytes = 500 * (1 + i)
		s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
			return processortest.ReadFault{Chunk: 1 + i*1777}
		}
		_, err := s.run(t.Context())
		require.NoError(t, err)
		s.exactlyOnce()
		got := s.recordIDs()
		if want == nil {
			want = got
			owner := map[string]string{}
			for id, identity := range got {
				assert.Empty(t, owner[identity], "two records share an identity")
				owner[identity] = id
			}
			continue
		}
		assert.Equal(t, want, got)
	}
}

// With per-object packing, messages are the same in every pass over an object,
// after whatever came before: the same ids with the same bytes.
func TestIdentityOfMessagesAfterCrashes(t *testing.T) {
	whole := identityScene(t, true)
	_, err := whole.run(t.Context())
	require.NoError(t, err)
	want := map[string]string{}
	for _, m := range whole.out.Messages() {
		require.NotContains(t, want, m.ID, "ids are different")
		want[m.ID] = string(m.Body)
	}
	for seed := range rounds(6) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			s := identityScene(t, true)
			s.cfg.Concurrency = 1 + r.IntN(3)
			s.cfg.MaxUnconfirmed.Interval = 5 * time.Millisecond
			for range 3 {
				s.crashAt(r.IntN(800))
			}
			s.cfg.Concurrency = 1 + r.IntN(3)
			s.hook, s.claims.OnCall = nil, nil
			time.Sleep(2 * time.Minute)
			// A clean stop in between changes nothing either.
			ctx, cancel := context.WithCancel(t.Context())
			s.hook = func(context.Context, []sink.Message) error { cancel(); return nil }
			_, err := s.run(ctx)
			cancel()
			require.NoError(t, err)
			s.hook = nil
			s.drained(t.Context())
			s.nothingLost()
			for _, m := range s.out.Messages() {
				body, ok := want[m.ID]
				if !ok {
					t.Errorf("seed %d: a message that another pass does not have: %.60s…", seed, m.Body)
					return
				}
				if body != string(m.Body) {
					t.Errorf("seed %d: message %s has other bytes than in another pass", seed, m.ID)
					return
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// crashAt runs, and after n messages lets nothing through any more, to the sink
// or to the claim store: as if the process had been killed.
func (s *scene) crashAt(n int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	var mu sync.Mutex
	dead := false
	s.hook = func(_ context.Context, batch []sink.Message) error {
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if n -= len(batch); n < 0 {
			dead = true
			cancel()
		}
		if dead {
			return errAway
		}
		return nil
	}
	s.claims.OnCall = func(context.Context, processortest.Call, []string) (error, bool) {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return errAway, false
		}
		return nil, false
	}
	_, _ = s.service().Run(ctx) // that it failed is the point
	time.Sleep(2 * time.Minute) // leases run out
}

// Messages of one object do not hold records of another, nor cross frames.
func TestIdentityFrames(t *testing.T) {
	s := identityScene(t, true)
	offsets := map[string]int64{}
	var mu sync.Mutex
	s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		mu.Lock()
		offsets[gjson.GetBytes(rec.Data, "id").String()] = rec.Offset
		mu.Unlock()
		out.Emit(rec.Data)
		return nil
	})
	_, err := s.run(t.Context())
	require.NoError(t, err)
	for _, m := range s.out.Messages() {
		ids := processortest.IDs(m.Body)
		first, _, _ := cutLast(ids[0])
		for _, id := range ids {
			object, _, _ := cutLast(id)
			assert.Equal(t, first, object)
			assert.Equal(t, offsets[ids[0]]/20_000, offsets[id]/20_000, "%s and %s share a message", ids[0], id)
		}
	}
}

// A transform that answers otherwise the second time does not make two messages
// with one id: a FIFO queue would take one of them for a duplicate.
func TestIdentityOfDifferentMessagesDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSceneWith(t, sink.Limits{FIFO: true, BatchMessages: 10})
		s.cfg.Pack.PerObject = true
		s.put("a", 5, 10)
		var failed atomic.Bool
		s.cfg.Concurrency = 1
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if strings.Contains(string(rec.Data), "a/2") && failed.CompareAndSwap(false, true) {
				return errors.Join(errAway)
			}
			out.Emit(rec.Data)
			return nil
		})
		s.drained(t.Context())
		s.nothingLost()
	})
}

// On a FIFO queue nothing is kept twice even after crashes, within the five
// minutes that the queue remembers.
func TestIdentityFIFODeduplicates(t *testing.T) {
	for seed := range 5 {
		synctest.Test(t, func(t *testing.T) {
			s := newSceneWith(t, sink.Limits{FIFO: true, BatchMessages: 10})
			s.cfg.Pack.PerObject, s.cfg.Pack.TargetBytes = true, 1000
			s.cfg.Lease = 10 * time.Second
			s.cfg.SendTimeout = time.Second
			for i := range 10 {
				s.put(fmt.Sprint("small", i), 20, 50)
			}
			s.put("large", 3000, 100)
			s.crashAt(50 * (1 + seed))
			s.hook, s.claims.OnCall = nil, nil
			s.drained(t.Context())
			s.exactlyOnce()
		})
	}
}
