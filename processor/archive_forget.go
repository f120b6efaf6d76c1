package processor

import (
	"errors"
	"io/fs"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// forgetGone has the finished claims forgotten of what nobody will list again,
// though no archiver took it: objects that others took away, versions that were
// replaced, and parts of the retry destination that were worked off.
func (a *archiver) forgetGone() error {
	if a.cfg.ForgetAfter == 0 || !a.there {
		return nil
	}
	block := make([]claim.Entry, 0, a.cfg.Block)
	for e, err := range a.cfg.Claims.Completed(a.work) {
		if err != nil {
			return a.unlessOver("list finished claims", err)
		}
		if e.DoneAt.IsZero() || time.Since(e.DoneAt) < a.cfg.ForgetAfter {
			continue
		}
		if block = append(block, e); len(block) < cap(block) {
			continue
		}
		if err := a.forgetBlock(block); err != nil || a.work.Err() != nil {
			return err
		}
		block = block[:0]
	}
	return a.forgetBlock(block)
}

// forgetBlock has those of the claims forgotten whose objects are gone.
func (a *archiver) forgetBlock(block []claim.Entry) error {
	if a.work.Err() != nil {
		return nil //nolint:nilerr // to stop in time is no failure
	}
	gone, errs := make([]bool, len(block)), make([]error, len(block))
	a.each(len(block), func(i int) { gone[i], errs[i] = a.gone(block[i].Key) })
	var keys []string
	for i, e := range block {
		switch {
		case errs[i] != nil:
			a.reject(e.Key, errs[i])
		case gone[i]:
			keys = append(keys, e.Key)
		}
	}
	// Another archiver may have forgotten them, and workers may have processed
	// what came under their names since.
	if err := a.alive(); err != nil {
		return err
	}
	if err := a.forget(keys); err != nil {
		return err
	}
	a.report.Forgotten += int64(len(keys))
	return nil
}

// gone reports whether what was claimed under a key is not there any more. Of
// what it cannot tell it says that it is there.
func (a *archiver) gone(claimKey string) (bool, error) {
	what := parseClaimKey(claimKey)
	switch {
	case what.part != "" && a.retry != nil:
		body, err := a.retry.Open(a.work, what.part)
		if err == nil {
			_ = body.Close() // nothing was read
		}
		return absent(err)
	case what.object == "", (what.version != "") != a.cfg.ClaimVersion:
		return false, nil // cut, or claimed in another way
	}
	now, _, err := a.remover.Stat(a.work, what.object)
	if err == nil {
		return a.cfg.ClaimVersion && now.Identity() != what.version, nil
	}
	return absent(err)
}

// absent tells the error of what is not there from others.
func absent(err error) (bool, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}
