package claimtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// versionRules are about workers of two versions of a driver. What they may
// share, they share as [fleetRules] say.
var versionRules = []rule{
	{"LaterVersion", "what a later version has written, and this one cannot share, is refused as fatal", func(h *harness) {
		if h.fleet.Later == nil {
			h.Skip("the store has no later version")
		}
		l := h.grant("a", long, "k")
		clients := []*harness{h} // one that was running, and one that is started then
		if h.fleet.Worker != nil {
			clients = append(clients, h.as(h.fleet.Worker(h.TB, 0)))
		}
		h.fleet.Later(h.TB)
		for i, c := range clients {
			_, err := c.try("b", c.nonce(), long, "k")
			c.refused(i, err, "Claim")
			c.refused(i, c.extend(long, l), "Extend")
			c.refused(i, c.complete(l), "Complete")
			c.refused(i, c.release(claim.Return{Lease: l}), "Release")
			if in, ok := c.store.(claim.Inspector); ok {
				c.inspectRefused(i, in)
			}
		}
	}},
}

// inspectRefused is for whoever looks, whose view would be wrong.
func (h *harness) inspectRefused(client int, in claim.Inspector) {
	h.Helper()
	_, err := in.Inspect(h.Context(), []string{"k"})
	h.refused(client, err, "Inspect")
	_, err = in.Count(h.Context())
	h.refused(client, err, "Count")
	h.refused(client, in.Forget(h.Context(), []string{"k"}), "Forget")
	for name, list := range map[string]func() error{
		"Expired": func() (err error) {
			for _, err = range in.Expired(h.Context(), 0) { // the last error counts
			}
			return err
		},
		"Completed": func() (err error) {
			for _, err = range in.Completed(h.Context()) { // the last error counts
			}
			return err
		},
	} {
		h.refused(client, list(), name)
	}
}

// refused requires that a call, or each entry of it, failed as fatal.
func (h *harness) refused(client int, err error, op string) {
	h.Helper()
	errs := []error{err}
	if batch, ok := errors.AsType[*claim.BatchError](err); ok {
		errs = batch.Unwrap()
	}
	if len(errs) == 0 || slices.ContainsFunc(errs, func(err error) bool { return !fault.Is(err, fault.ClassFatal) }) {
		h.fail("%s by %s: %v, want an error marked fatal", op, fmt.Sprintf("client %d", client), err)
	}
}
