package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
)

// shift is the time in which a checker or an archiver works, and the claims it
// holds meanwhile.
type shift struct {
	start  time.Time
	work   context.Context // ends a little before the deadline, or with the caller's
	last   context.Context // for giving back: ends just before the deadline
	keeper *claim.Keeper
	end    func() // must be called; nothing of the shift goes on after it
}

// callTimeout bounds a call to the claim store that must still be made when the
// work is over.
const callTimeout = 10 * time.Second

// newShift begins a shift: heartbeats are sent until it ends.
func newShift(ctx context.Context, claims claim.Claimer, owner string, lease time.Duration) (*shift, error) {
	keeper, err := claim.NewKeeper(claims, claim.KeeperConfig{Owner: owner, TTL: lease})
	if err != nil {
		return nil, err
	}
	s := &shift{start: time.Now(), keeper: keeper}
	var endWork, endLast context.CancelFunc
	s.work, endWork = context.WithCancel(ctx)
	s.last, endLast = context.WithCancel(context.WithoutCancel(ctx))
	var timers []*time.Timer
	if t := new(Config).times(ctx, s.start); !t.deadline.IsZero() {
		left := t.deadline.Sub(s.start)
		timers = append(timers, time.AfterFunc(left-t.reduction, endWork),
			time.AfterFunc(left-t.reduction*(100-lastShare)/100, endLast))
	}
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		_ = keeper.Run(s.last) // a store that can never work says so to each call
	}()
	s.end = func() {
		for _, t := range timers {
			t.Stop()
		}
		endWork()
		endLast()
		<-beats
	}
	return s, nil
}

// unlessOver returns err with what was done, or nil if it only came because the
// work is over.
func (s *shift) unlessOver(what string, err error) error {
	if err == nil || s.work.Err() != nil {
		return nil //nolint:nilerr // to stop in time is no failure
	}
	return fmt.Errorf("%s: %w", what, err)
}

// settle calls op, which ends n leases, and once more if it is unknown what took
// effect. It returns the error of each lease, or that of the call.
func (s *shift) settle(n int, op func(context.Context) error) ([]error, error) {
	if n == 0 {
		return nil, nil
	}
	errs := make([]error, n)
	call := func() error {
		ctx, cancel := context.WithTimeout(s.last, callTimeout)
		defer cancel()
		return op(ctx)
	}
	err := call()
	batch, isBatch := errors.AsType[*claim.BatchError](err)
	if err != nil && !isBatch {
		err = call()
		batch, isBatch = errors.AsType[*claim.BatchError](err)
	}
	if !isBatch {
		return errs, err
	}
	for _, f := range batch.Failed {
		if f.Index >= 0 && f.Index < n {
			errs[f.Index] = f.Err
		}
	}
	return errs, nil
}

// settleAll is settle where nothing is done unless all of it is: it returns the
// first error, of the call or of a lease.
func (s *shift) settleAll(n int, op func(context.Context) error) error {
	errs, err := s.settle(n, op)
	for _, e := range errs {
		if err == nil {
			err = e
		}
	}
	return err
}

// newOwner names a process that is no worker in the claim store.
func newOwner(role string) string {
	host, _ := os.Hostname() // a nameless host is still told by the rest
	return role + "/" + host + "/" + strconv.Itoa(os.Getpid()) + "/" + newRunID()
}

// copyPart copies a part from one destination to another as it is, and returns
// how many lines it has. It is durable there when copyPart returns.
func copyPart(ctx context.Context, from, to *destination.Store, name string) (lines int64, err error) {
	body, err := from.Open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer body.Close() // only read
	key, _ := destination.ParseName(name)
	part, err := to.Create(ctx, key, 0)
	if err != nil {
		return 0, err
	}
	defer part.Abort()
	count := lineCounter{w: part}
	if _, err := io.Copy(&count, body); err != nil {
		return 0, err
	}
	_, err = part.Commit(ctx)
	return count.lines, err
}

// lineCounter counts the ends of lines that are written through it.
type lineCounter struct {
	w     io.Writer
	lines int64
}

func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += int64(bytes.Count(p, []byte{'\n'}))
	return c.w.Write(p)
}
