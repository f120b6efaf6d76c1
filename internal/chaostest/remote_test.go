//go:build linux

package chaostest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
)

// kindRemote is claim/memory in the test process, reached over HTTP: a store
// for which nothing has to be installed.
const kindRemote = "remote"

// remoteCall is a call of claim.Claimer, or of Inspect, as it travels.
type remoteCall struct {
	Op           string
	Owner, Nonce string
	Keys         []string
	Leases       []claim.Lease
	Returns      []claim.Return
	TTL          time.Duration
}

type remoteAnswer struct {
	Results []claim.Result
	Entries []claim.Entry
	Lost    []int // entries that failed with ErrLost
	Err     string
}

// remoteServer serves one memory.Store.
type remoteServer struct {
	life      atomic.Pointer[remoteLife] // requests of the last one may still run when the next begins
	forgetful bool                       // it begins anew when it is restarted
	listen    string
	http      *http.Server
	wait      sync.WaitGroup
}

// remoteLife is a store between two times that the server forgot all.
type remoteLife struct {
	*memory.Store
	number int // tokens of memory.Store are new only in one life
}

func startRemote(t testing.TB) *remoteServer {
	s := &remoteServer{listen: testtool.Addr(t)}
	s.life.Store(&remoteLife{Store: memory.New()})
	s.serve(t)
	t.Cleanup(s.stop)
	return s
}

func (s *remoteServer) serve(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", s.listen)
	require.NoError(t, err)
	s.http = &http.Server{Handler: s}
	server := s.http
	s.wait.Go(func() { _ = server.Serve(l) })
}

func (s *remoteServer) stop() {
	s.http.Close()
	s.wait.Wait()
}

func (s *remoteServer) addr() string { return s.listen }

// restart cuts all connections and is away for a moment. What was acknowledged
// stays, as it must, unless the store is a forgetful one.
func (s *remoteServer) restart(t testing.TB, meanwhile func()) (kept moment, crash span) {
	kept = never
	if s.forgetful {
		meanwhile()
		kept = 0
	}
	crash.from = now()
	s.stop()
	if s.forgetful {
		s.life.Store(&remoteLife{memory.New(), s.life.Load().number + 1})
	}
	time.Sleep(300 * time.Millisecond)
	s.serve(t)
	crash.to = now()
	return kept, crash
}

func (s *remoteServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c remoteCall
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := context.WithoutCancel(r.Context()) // a client that is gone does not take its request back
	var a remoteAnswer
	var err error
	store := s.life.Load()
	switch c.Op {
	case didClaim:
		a.Results, err = store.Claim(ctx, c.Owner, c.Nonce, c.Keys, c.TTL)
		for i := range a.Results {
			a.Results[i].Lease.Token = store.told(a.Results[i].Lease.Token)
		}
	case didExtend:
		err = store.Extend(ctx, store.own(c.Leases), c.TTL)
	case didComplete:
		err = store.Complete(ctx, store.own(c.Leases))
	case didRelease:
		for i := range c.Returns {
			c.Returns[i].Lease.Token = store.meant(c.Returns[i].Lease.Token)
		}
		err = store.Release(ctx, c.Returns)
	default:
		a.Entries, err = store.Inspect(ctx, c.Keys)
	}
	if partial, ok := errors.AsType[*claim.BatchError](err); ok {
		for _, f := range partial.Failed {
			a.Lost = append(a.Lost, f.Index)
		}
	} else if err != nil {
		a.Err = err.Error()
	}
	_ = json.NewEncoder(w).Encode(a) // the client may be gone
}

// told is a token as clients have it.
func (s *remoteLife) told(token string) string {
	if token == "" {
		return ""
	}
	return fmt.Sprintf("%d/%s", s.number, token)
}

// meant is the inverse of told. Of another life it is none.
func (s *remoteLife) meant(token string) string {
	life, token, _ := strings.Cut(token, "/")
	if life != strconv.Itoa(s.number) {
		return "of another life"
	}
	return token
}

func (s *remoteLife) own(leases []claim.Lease) []claim.Lease {
	for i := range leases {
		leases[i].Token = s.meant(leases[i].Token)
	}
	return leases
}

// remote is the client's side.
type remote struct {
	url    string
	client *http.Client
}

func openRemote(addr string) *remote {
	return &remote{"http://" + addr, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

func (r *remote) do(ctx context.Context, c remoteCall) (a remoteAnswer, err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return a, fault.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return a, fault.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return a, fault.Interrupted(fmt.Errorf("%s: %w", c.Op, err))
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, fault.Interrupted(fmt.Errorf("%s: %w", c.Op, err))
	}
	switch {
	case a.Err != "":
		return a, fault.Fatal(errors.New(a.Err))
	case len(a.Lost) > 0:
		partial := &claim.BatchError{}
		for _, i := range a.Lost {
			partial.Failed = append(partial.Failed, claim.EntryError{Index: i, Err: claim.ErrLost})
		}
		return a, partial
	}
	return a, nil
}

func (r *remote) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	a, err := r.do(ctx, remoteCall{Op: didClaim, Owner: owner, Nonce: nonce, Keys: keys, TTL: ttl})
	return a.Results, err
}

func (r *remote) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	_, err := r.do(ctx, remoteCall{Op: didExtend, Leases: leases, TTL: ttl})
	return err
}

func (r *remote) Complete(ctx context.Context, leases []claim.Lease) error {
	_, err := r.do(ctx, remoteCall{Op: didComplete, Leases: leases})
	return err
}

func (r *remote) Release(ctx context.Context, returns []claim.Return) error {
	_, err := r.do(ctx, remoteCall{Op: didRelease, Returns: returns})
	return err
}

func (r *remote) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	a, err := r.do(ctx, remoteCall{Op: "inspect", Keys: keys})
	return a.Entries, err
}
