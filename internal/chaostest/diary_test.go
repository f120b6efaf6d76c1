//go:build linux

package chaostest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// deed is what a worker writes into its diary: what it is about to do, or, with
// To set, what came of it. A worker that is killed leaves deeds without an
// outcome.
type deed struct {
	What string `json:"w"`
	// Call numbers the calls of a worker: the two entries of a call have the
	// same. It is what a message names as the call that sent it.
	Call int    `json:"c,omitempty"`
	From moment `json:"a"`
	To   moment `json:"b,omitempty"` // 0 in the entry that says that it begins
	Err  string `json:"e,omitempty"`
	// Ended says that the context of a call that failed had ended.
	Ended bool `json:"d,omitempty"`
	// Nonce is that of a claim: a repetition has the same.
	Nonce string `json:"k,omitempty"`
	// Leases are numbers that the worker gave to its leases.
	Leases []int `json:"l,omitempty"`
	// Failed are those of Leases for which the call failed alone, Lost those of
	// which the store said that they were lost.
	Failed []int `json:"x,omitempty"`
	Lost   []int `json:"z,omitempty"`
	// Progress is what was to be stored, by number of the lease.
	Progress map[int]string `json:"p,omitempty"`
	Grants   []grant        `json:"g,omitempty"`
	// Until is the deadline of a run or a send, where it has one.
	Until moment   `json:"u,omitempty"`
	Run   *outcome `json:"r,omitempty"`
}

// What a deed is.
const (
	didClaim    = "claim"
	didExtend   = "extend" // a heartbeat or a checkpoint
	didComplete = "complete"
	didRelease  = "release"
	didSend     = "send"
	didStand    = "stand" // the process did not run for a while
	didRun      = "run"
)

// grant is one lease as it was granted.
type grant struct {
	File     int    `json:"f"`
	Lease    int    `json:"l"`
	Token    string `json:"t"`
	Progress string `json:"p,omitempty"`
}

// outcome is what a run reported.
type outcome struct {
	Status                     string
	Loaded, Delivered          int64
	Objects, Finished, Held    int64
	Released, Lost, Resent     int64
	ElsewhereRecords, ReadByte int64
}

// diary is a worker's, on disk. What was written is kept by the kernel when the
// process is killed. It is safe for concurrent use.
type diary struct {
	calls atomic.Int64
	mu    sync.Mutex
	file  *os.File
}

func openDiary(name string) (*diary, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	return &diary{file: f}, err
}

// note writes one entry, in one system call.
func (d *diary) note(e deed) {
	line, err := json.Marshal(e)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		_, err = d.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(fmt.Errorf("write the diary: %w", err)) // nothing can be proven without it
	}
}

// begin notes that a call is about to leave, and returns its entry.
func (d *diary) begin(e deed) deed {
	e.Call, e.From = int(d.calls.Add(1)), now()
	d.note(e)
	return e
}

// end notes the outcome of the call that begin returned.
func (d *diary) end(ctx context.Context, e deed, err error) {
	e.To = now()
	if err != nil {
		e.Err, e.Ended = err.Error(), ctx.Err() != nil
	}
	d.note(e)
}

// readDiary returns the entries of a diary in their order. A last line that was
// torn by a kill is left out.
func readDiary(name string) ([]deed, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var deeds []deed
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return deeds, nil // the end, or a torn line
		}
		var e deed
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		deeds = append(deeds, e)
	}
}
