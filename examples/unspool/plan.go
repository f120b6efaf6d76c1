package main

import (
	"fmt"
	"strings"

	"github.com/unspool-go/unspool/internal/destination"
)

// places says where a job keeps what it must not lose.
type places struct {
	claims                    string // as openClaims takes it
	retry, failed, corruption string // URLs
	notes                     []string
}

// plan decides where everything is kept, and reports every place that is
// malformed or in the way of another. source is the local folder that is read,
// "" if it is not known for a mistake of its own. Nothing is touched.
func plan(set settings, source string) (places, []error) {
	var (
		p       places
		errs    []error
		folders []folder
	)
	if source != "" {
		folders = append(folders, folder{"source", source})
	}
	claims := set.Claims
	if claims == "" && source != "" {
		claims = "disk:" + source + ".unspool"
	}
	base := "" // what the defaults of the destinations begin with; "" where nothing tells
	if source != "" {
		base = source + ".unspool"
	}
	if claims != "" {
		folderOfClaims, err := checkClaims(claims)
		if err != nil {
			errs = append(errs, fmt.Errorf("--claims: %w", err))
		}
		p.claims = claims
		if folderOfClaims != "" {
			p.claims, base = "disk:"+folderOfClaims, folderOfClaims
			folders = append(folders, folder{"claims", folderOfClaims})
		}
	}

	chosen := false
	for _, d := range []struct {
		option, given string
		url           *string
	}{
		{"retry", set.Retry, &p.retry}, {"failed", set.Failed, &p.failed}, {"corruption", set.Corruption, &p.corruption},
	} {
		*d.url = d.given
		if d.given == "" {
			if base == "" {
				continue
			}
			*d.url, chosen = base+"-"+d.option, true
		}
		if err := destination.Check(*d.url); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", d.option, err))
			continue
		}
		if path, local, err := localPath(*d.url); err == nil && local {
			*d.url = path
			folders = append(folders, folder{d.option, path})
		}
	}
	if path, ok := strings.CutPrefix(set.Sink, "file:"); ok {
		if abs, local, err := localPath("file:" + path); err == nil && local {
			folders = append(folders, folder{"sink", abs})
		}
	}
	if err := destination.CheckReadable(set.Mirror); err != nil {
		errs = append(errs, fmt.Errorf("--mirror: %w", err))
	}
	if path, local, err := localPath(set.Mirror); err == nil && local && set.Mirror != "" {
		folders = append(folders, folder{"mirror", path})
	}
	errs = append(errs, checkSink(set)...)
	errs = append(errs, overlaps(folders)...)
	if chosen {
		p.notes = append(p.notes, fmt.Sprintf("what cannot be delivered goes to %s (retry), %s (failed), %s (corruption)",
			p.retry, p.failed, p.corruption))
	}
	if p.claims != "" && set.Claims == "" {
		p.notes = append(p.notes, "what is done is noted in "+base)
	}
	return p, errs
}
