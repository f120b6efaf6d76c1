package claim_test

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// modelStore is a claim store of one key, as the contract of [claim.Claimer]
// has it and with nothing else, or with one of its rules taken out.
type modelStore struct {
	rules  rules
	grants int

	done     bool
	by       string // token that completed it
	token    string // of the last lease; empty when it was given back
	nonce    string
	expires  time.Time
	progress string
}

// rules says what is taken out of the protocol. The zero value is the protocol.
type rules struct {
	noFence     bool // the store does not look at tokens
	lostExtends bool // the store extends a lease that is no longer the caller's, in words only
	earlyExpiry bool // the store lets go of a lease before its time
	noHeartbeat bool // the worker does not extend its leases
	noCheck     bool // the worker does not look how long its lease holds before it sends
	earlyDone   bool // the worker completes without waiting for the queue's answer
}

func (s *modelStore) claim(nonce string, ttl time.Duration) claim.Result {
	now := time.Now()
	if s.rules.earlyExpiry {
		ttl /= 2
	}
	switch {
	case s.done:
		return claim.Result{Status: claim.Done}
	case s.token != "" && s.nonce == nonce: // asked again after a lost answer
	case s.token != "" && now.Before(s.expires):
		return claim.Result{Status: claim.Held}
	default:
		s.grants++
		s.token, s.nonce = "token "+strconv.Itoa(s.grants), nonce
	}
	s.expires = now.Add(ttl)
	return claim.Result{Status: claim.Granted, Lease: claim.Lease{Key: modelKey, Token: s.token, Attempt: s.grants, Progress: s.progress}}
}

func (s *modelStore) owns(l claim.Lease) bool { return s.token == l.Token || s.rules.noFence }

func (s *modelStore) extend(l claim.Lease, ttl time.Duration) error {
	switch {
	case s.rules.lostExtends && s.token != l.Token:
		return nil
	case s.done || s.token == "" || !s.owns(l):
		return lostEntry("extend")
	}
	s.expires, s.progress = time.Now().Add(ttl), l.Progress
	return nil
}

func (s *modelStore) complete(l claim.Lease) error {
	switch {
	case s.done && s.by == l.Token:
		return nil
	case s.done || s.token == "" || !s.owns(l):
		return lostEntry("complete")
	}
	s.done, s.by, s.token = true, l.Token, ""
	return nil
}

func (s *modelStore) release(r claim.Return) error {
	if s.done || s.token == "" || !s.owns(r.Lease) {
		return lostEntry("release")
	}
	s.token, s.progress = "", r.Lease.Progress
	return nil
}

// lives reports whether the lease with the token is the one that counts.
func (s *modelStore) lives(token string) bool {
	return !s.done && s.token == token && time.Now().Before(s.expires)
}

func lostEntry(op string) error {
	return &claim.BatchError{Failed: []claim.EntryError{{Index: 0, Err: fmt.Errorf("%s: %w", op, claim.ErrLost)}}}
}

var errNetwork = errors.New("no answer")
