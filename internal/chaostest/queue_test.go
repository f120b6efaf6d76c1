//go:build linux

package chaostest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// delivery is one record that the queue accepted.
type delivery struct {
	at           moment
	offset       int64
	file, record int32
	worker       int32 // number of the process
	lease        int32 // as that process numbers it
	call         int32 // of that process
}

// record is the queue's own: all that it accepted, in that order.
type record struct {
	server *sqstest.Server

	mu         sync.Mutex
	deliveries []delivery
	seen       map[[2]int32]struct{}
	strange    error // a message that no worker can have sent
}

func startQueue(t *testing.T) *record {
	t.Helper()
	q := &record{seen: map[[2]int32]struct{}{}}
	q.server = sqstest.Start(t, sqstest.Config{DiscardBodies: true, OnMessage: func(_ string, m sqstest.Message) { q.add(m) }})
	_, err := q.server.AddQueue(queueName, sqstest.QueueConfig{})
	require.NoError(t, err)
	return q
}

func (q *record) add(m sqstest.Message) {
	var records []sent
	err := json.Unmarshal([]byte(m.Body), &records)
	var worker, call int32
	if err == nil {
		_, err = fmt.Sscanf(m.Attributes[attrCall].Value, "%d/%d", &worker, &call)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.strange = err
		return
	}
	at := now()
	for _, r := range records {
		d := delivery{at: at, offset: r.Offset, file: int32(r.File), record: int32(r.Record), worker: worker, lease: int32(r.Lease), call: call}
		q.deliveries = append(q.deliveries, d)
		q.seen[[2]int32{d.file, d.record}] = struct{}{}
		if r.Worker != int(worker) {
			q.strange = fmt.Errorf("worker %d sent a record of worker %d", worker, r.Worker)
		}
	}
}

// evidence returns all that has arrived, and what cannot have been sent. A request
// of a worker that is dead may still arrive.
func (q *record) evidence() (deliveries []delivery, strange error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.deliveries), q.strange
}

// distinct returns how many records have arrived, each counted once.
func (q *record) distinct() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.seen)
}
